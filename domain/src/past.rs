//! What a job's past says: which runs count as failures, and what was different when it last went well.

use crate::job::RunSpec;
use crate::schedule::Zone;
use crate::secret::MASK;
use saltpeter_protocol::api::{ConfigChange, JobRow, RecentRun};
use saltpeter_protocol::{RunId, RunOutcome, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How a run counts in a job's success rate. The database counts by the same rule (`run_results`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody or something kept it from running, or ended it on purpose.
    Other,
}

/// How a run counts.
pub fn tally(outcome: &RunOutcome) -> Tally {
    match outcome {
        RunOutcome::Succeeded => Tally::Succeeded,
        RunOutcome::Failed
        | RunOutcome::TimedOut
        | RunOutcome::Lost
        | RunOutcome::NoTargets
        | RunOutcome::ResolveFailed { .. } => Tally::Failed,
        RunOutcome::Killed
        | RunOutcome::Maintenance
        | RunOutcome::SkippedOverlap
        | RunOutcome::Missed { .. } => Tally::Other,
    }
}

/// A job's newest run that is over and has begun, and when that was. A start that was skipped or missed ran nowhere, and
/// counts only where there is nothing else.
pub fn last_begun(row: &JobRow) -> Option<(&RunId, UnixMillis)> {
    let has_begun = |run: &&RecentRun| {
        !matches!(
            run.state.outcome(),
            Some(RunOutcome::SkippedOverlap | RunOutcome::Missed { .. })
        )
    };
    let begun = row.recent.iter().rev().find(has_begun);
    let newest = row.last.as_ref().map(|run| (&run.id, run.created));
    begun.map(|run| (&run.run, run.started)).or(newest)
}

/// What a run was begun with, as text that is kept and compared. Values of the environment are not in it: a mark of 16
/// bits tells that one has changed, and too little to find it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BegunWith(BTreeMap<String, String>);

/// Keys that begin so have a mark for a value.
const ENV: &str = "env.";

impl BegunWith {
    /// What a run with this frozen job was begun with.
    pub fn of(spec: &RunSpec) -> Self {
        let mut keys = BTreeMap::new();
        let mut put = |key: &str, value: String| keys.insert(key.to_owned(), value);
        put("command", spec.command.clone());
        put("targets", spec.targets.text().to_owned());
        put(
            "target_type",
            spec.targets.target_type().as_str().to_owned(),
        );
        put("timeout", spec.timeout.to_string());
        put("overlap", spec.overlap.as_str().to_owned());
        put("group", spec.group.clone());
        put("wrapper_path", spec.wrapper.path.clone());
        put(
            "wrapper_protocol",
            spec.wrapper.protocol.as_str().to_owned(),
        );
        let mut put_if = |key: &str, value: Option<String>| value.map(|value| put(key, value));
        put_if("schedule", spec.schedule.clone());
        put_if(
            "number_of_targets",
            spec.number_of_targets.map(|n| n.to_string()),
        );
        put_if("batch_size", spec.batch_size.map(|n| n.to_string()));
        put_if(
            "max_failures",
            spec.max_failures.map(|limit| limit.to_string()),
        );
        put_if("retries", spec.retry.map(|retry| retry.more.to_string()));
        put_if(
            "retry_delay",
            spec.retry
                .map(|retry| format!("{} s", retry.delay.as_secs())),
        );
        put_if(
            "retry_backoff",
            spec.retry.map(|retry| retry.backoff.as_str().to_owned()),
        );
        put_if("cwd", spec.cwd.clone());
        put_if("user", spec.user.clone());
        put_if("lockfile", spec.wrapper.lockfile.clone());
        put_if("saltpeter_server_host", spec.server_host.clone());
        for (name, mark) in spec.env_marks() {
            put(&format!("{ENV}{name}"), mark.to_string());
        }
        for (name, source) in &spec.secrets {
            put(&format!("secrets.{name}"), source.to_string());
        }
        Self(keys)
    }

    /// What is different in `later`, by key.
    pub fn changes_to(&self, later: &Self) -> Vec<ConfigChange> {
        let keys = self.0.keys().chain(later.0.keys());
        let mut changes = BTreeMap::new();
        for key in keys {
            let (before, after) = (self.0.get(key), later.0.get(key));
            if before == after {
                continue;
            }
            let shown = |value: Option<&String>| {
                value.map(|value| {
                    if key.starts_with(ENV) {
                        MASK.to_owned()
                    } else {
                        value.clone()
                    }
                })
            };
            let change = ConfigChange {
                key: key.clone(),
                before: shown(before),
                after: shown(after),
            };
            changes.insert(key, change);
        }
        changes.into_values().collect()
    }
}

/// A schedule as a run keeps it: the expression, and the zone where the job names one.
pub fn schedule_text(expression: &str, zone: Zone) -> String {
    match zone {
        Zone::Named(zone) => format!("{expression} in {}", zone.name()),
        Zone::Default => expression.to_owned(),
    }
}

/// What tells that a value has changed, and is too little to find it out: 16 bits of FNV-1a, the same in every version of
/// this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueMark(u16);

impl ValueMark {
    /// That of a value.
    pub fn of(value: &str) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in value.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Self((hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) as u16)
    }
}

impl fmt::Display for ValueMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileChange, Loader};
    use saltpeter_protocol::api::Counts;
    use serde_json::{Value, json};

    fn spec(job: &str) -> RunSpec {
        let change = FileChange::Content(format!("a: {job}\n").into_bytes());
        let changes = [("web.yaml".to_owned(), change)];
        let set = Loader::new(chrono_tz::UTC).apply(changes, UnixMillis(0));
        let job = set.jobs.values().next().unwrap();
        job.freeze(&set.settings)
    }

    fn begun_with(job: &str) -> BegunWith {
        BegunWith::of(&spec(job))
    }

    #[test]
    fn a_run_that_is_over_for_good_was_begun_with_the_same() {
        let spec = spec("{schedule: '@daily', command: c, targets: '*', env: {A: hunter2, B: ''}}");
        let kept = spec.without_values();
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(BegunWith::of(&kept), BegunWith::of(&spec));
        assert_eq!(kept.without_values(), kept);
        let back: RunSpec = serde_json::from_str(&text).unwrap();
        assert_eq!(back, kept);
    }

    #[test]
    fn what_is_different_is_told_by_key_and_no_value_of_the_environment() {
        let before = begun_with(
            "{schedule: '@daily', command: old, targets: '*', cwd: /tmp, env: {A: hunter2, B: same, C: gone}}",
        );
        let after = begun_with(
            "{schedule: '@hourly', utc: true, command: new, targets: '*', batch_size: 2, env: {A: hunter3, B: same, D: new}}",
        );
        let kept = serde_json::to_string(&before).unwrap();
        assert!(!kept.contains("hunter2"), "{kept}");
        let back: BegunWith = serde_json::from_str(&kept).unwrap();
        let changes: Vec<String> = back
            .changes_to(&after)
            .into_iter()
            .map(|change| {
                let side = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                format!(
                    "{}: {} > {}",
                    change.key,
                    side(change.before),
                    side(change.after)
                )
            })
            .collect();
        insta::assert_snapshot!(changes.join("\n"));
        assert_eq!(after.changes_to(&after), []);
    }

    #[test]
    fn a_start_that_was_skipped_or_missed_is_no_last_run() {
        let last_begun = |outcomes: &[Value]| {
            let state = |outcome, n| json!({"state": "ended", "at": n, "outcome": outcome});
            let numbered = || outcomes.iter().zip(1..);
            let recent = numbered().map(|(outcome, n)| {
                json!({"run": format!("a_{n}"), "state": state(outcome, n), "started": n})
            });
            let last = numbered().last().map(|(outcome, n)| {
                json!({
                    "id": format!("a_{n}"), "job": "a", "cause": {"kind": "manual", "by": "op"}, "created": n,
                    "state": state(outcome, n), "counts": Counts::default(), "running_on": [], "kill": null, "stopped": null,
                })
            });
            let row: JobRow = serde_json::from_value(json!({
                "name": "a", "group": "", "schedule": "", "command": "", "targets": "", "target_type": "glob",
                "next": null, "paused": null, "last": last, "active": [], "config": [],
                "recent": recent.collect::<Vec<_>>(),
            }))
            .unwrap();
            super::last_begun(&row).map(|(run, at)| (run.to_string(), at.0))
        };
        let [failed, skipped] = ["failed", "skipped_overlap"].map(|kind| json!({"kind": kind}));
        let missed = json!({"kind": "missed", "reason": "not_running"});
        assert_eq!(last_begun(&[]), None);
        let both = [failed.clone(), failed.clone()];
        assert_eq!(last_begun(&both), Some(("a_2".to_owned(), 2)));
        let after = [failed, skipped.clone(), missed.clone()];
        assert_eq!(last_begun(&after), Some(("a_1".to_owned(), 1)));
        // There is nothing else.
        let never = [skipped, missed];
        assert_eq!(last_begun(&never), Some(("a_2".to_owned(), 2)));
    }
}
