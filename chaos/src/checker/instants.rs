//! Every instant of every schedule has exactly one row.

use super::{Account, Findings, Rule};
use saltpeter_protocol::RunOutcome;
use std::collections::BTreeMap;

pub(super) fn check(account: &Account, findings: &mut Findings) {
    let mut found: BTreeMap<(&str, i64), Vec<&str>> = BTreeMap::new();
    for row in &account.rows {
        let Some(instant) = row.instant else { continue };
        found.entry((&row.job, instant)).or_default().push(&row.run);
        let figures = &mut findings.figures;
        match row.state.outcome() {
            Some(RunOutcome::SkippedOverlap) => figures.skipped += 1,
            Some(RunOutcome::Missed { reason }) => *figures.missed.entry(*reason).or_default() += 1,
            _ => figures.started += 1,
        }
    }
    for ((job, instant), runs) in &found {
        if runs.len() > 1 {
            let detail = format!("{job} at {instant} has {}", runs.join(", "));
            findings.note(Rule::InstantTwice, detail);
        }
        let is_one = account
            .jobs
            .get(*job)
            .is_some_and(|job| job.may.contains(instant));
        if !is_one {
            findings.figures.extra += 1;
            let detail = format!("{job} has {} for {instant}", runs.join(", "));
            findings.note(Rule::InstantExtra, detail);
        }
    }
    for (job, facts) in &account.jobs {
        findings.figures.expected += facts.must.len();
        for instant in &facts.must {
            if !found.contains_key(&(job.as_str(), *instant)) {
                let detail = format!("{job} has nothing for {instant}");
                findings.note(Rule::InstantMissing, detail);
            }
        }
    }
}
