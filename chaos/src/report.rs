//! Tables for people.

use crate::trial::Outcome;
use saltpeter_protocol::MissedReason;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A line for each seed, one for their sum, and what was found wrong.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "| seed | instants | started | overlap | missed | extra | runs | machines | tried again | bytes compared | faults | time | violations |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for outcome in outcomes {
        let figures = &outcome.figures;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} s | {} |",
            outcome.seed,
            figures.expected,
            figures.started,
            figures.skipped,
            missed(&figures.missed),
            figures.extra,
            figures.runs,
            figures.machines,
            figures.retries,
            figures.bytes,
            outcome.faults.values().sum::<usize>(),
            outcome.took.as_secs_f64(),
            outcome.violations.len()
        );
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, count) in outcomes.iter().flat_map(|outcome| &outcome.faults) {
        *kinds.entry(kind).or_default() += count;
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let _ = writeln!(text, "\nfaults: {}", kinds.join(", "));
    let total = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let _ = writeln!(
        text,
        "all: {} instants, {} runs, {} machines, tried again {} times, {} bytes compared, {} violations",
        total(|outcome| outcome.figures.expected as u64),
        total(|outcome| outcome.figures.runs as u64),
        total(|outcome| outcome.figures.machines as u64),
        total(|outcome| outcome.figures.retries as u64),
        total(|outcome| outcome.figures.bytes),
        total(|outcome| outcome.violations.len() as u64),
    );
    for outcome in outcomes {
        for violation in &outcome.violations {
            let _ = writeln!(text, "seed {}: {violation}", outcome.seed);
        }
        if let Some(kept) = &outcome.kept {
            let _ = writeln!(text, "seed {}: everything is kept in {kept}", outcome.seed);
        }
    }
    text
}

fn missed(missed: &BTreeMap<MissedReason, usize>) -> String {
    if missed.is_empty() {
        return "0".to_owned();
    }
    let parts = missed.iter().map(|(reason, count)| {
        let word = serde_json::to_value(reason).unwrap_or_default();
        format!("{count} {}", word.as_str().unwrap_or("?").replace('_', " "))
    });
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::{Figures, Rule, Violation};
    use std::time::Duration;

    #[test]
    fn a_table_shows_each_seed_and_what_is_wrong() {
        let outcome = Outcome {
            seed: 7,
            figures: Figures {
                expected: 30,
                started: 27,
                missed: [(MissedReason::Late, 2), (MissedReason::NotRunning, 1)].into(),
                runs: 28,
                ..Figures::default()
            },
            faults: [("links cut", 3)].into(),
            violations: vec![Violation {
                rule: Rule::InstantMissing,
                detail: "j has nothing for 1".to_owned(),
            }],
            took: Duration::from_secs(40),
            kept: None,
        };
        let text = table(&[outcome]);
        assert!(text.contains("| 7 | 30 | 27 | 0 | "), "{text}");
        assert!(text.contains("1 not running"), "{text}");
        assert!(text.contains("faults: links cut 3"), "{text}");
        assert!(
            text.ends_with("seed 7: InstantMissing: j has nothing for 1\n"),
            "{text}"
        );
    }
}
