//! A text that is not a file of the configuration yet: what it would be as one.

use super::validate::{FileContent, FileContext, read_file};
use super::{Problem, Settings, Severity, across, raw};
use crate::job::Job;
use chrono_tz::Tz;
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// What a text would be as a file of the configuration, read beside the settings that are in force. What it says under
/// `saltpeter_config` and `saltpeter_maintenance` is checked, and otherwise without effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The valid jobs in it.
    pub jobs: BTreeMap<JobName, Arc<Job>>,
    /// Everything that is wrong or doubtful, ordered by place.
    pub problems: Vec<Problem>,
}

/// What a change of some lines has to do with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It stands in those lines.
    Own,
    /// It stands elsewhere and was not there before, such as a name that is taken twice now.
    New,
    /// It stands elsewhere and was there before, maybe in another line.
    Known,
}

impl Trial {
    /// What a change of `lines` (from 1) has to do with each problem: those in the lines first, then the errors elsewhere, each in
    /// order. Warnings elsewhere are nobody's concern. `earlier`, asked for only if there are errors elsewhere, is what was
    /// wrong before the change; a problem is the same if it says the same of the same job.
    pub fn standing(
        &self,
        lines: &Range<u32>,
        earlier: impl FnOnce() -> Vec<Problem>,
    ) -> Vec<(&Problem, Standing)> {
        let (own, mut others): (Vec<&Problem>, Vec<&Problem>) = self
            .problems
            .iter()
            .partition(|problem| lines.contains(&problem.line));
        others.retain(|problem| problem.severity == Severity::Error);
        let mut found: Vec<_> = own.into_iter().map(|one| (one, Standing::Own)).collect();
        if others.is_empty() {
            return found;
        }
        let earlier = earlier();
        let earlier: BTreeSet<_> = earlier
            .iter()
            .map(|known| (&known.message, &known.job))
            .collect();
        found.extend(others.into_iter().map(|one| {
            let was_there = earlier.contains(&(&one.message, &one.job));
            let standing = if was_there {
                Standing::Known
            } else {
                Standing::New
            };
            (one, standing)
        }));
        found
    }

    /// Reads `text` as the file `name`. `server_zone` is the zone of this host; `now` is for schedules that have had
    /// their last date.
    pub fn new(
        name: &str,
        text: &str,
        settings: &Settings,
        server_zone: Tz,
        now: UnixMillis,
    ) -> Self {
        let file: Arc<str> = Arc::from(name);
        let content = match raw::parse(text) {
            Ok(root) => {
                let group = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
                let context = FileContext {
                    file: Arc::clone(&file),
                    group: group.to_owned(),
                    now,
                    server_zone,
                };
                read_file(&root, &context)
            }
            Err(error) => Err(Problem {
                file,
                line: error.place.line,
                column: error.place.column,
                severity: Severity::Error,
                message: error.message,
                job: None,
            }),
        };
        let content = content.unwrap_or_else(|problem| FileContent {
            problems: vec![problem],
            ..FileContent::default()
        });
        let mut problems = content.problems;
        problems.extend(across::problems(settings, &BTreeMap::new(), &content.jobs));
        problems.sort_by_key(|problem| (problem.line, problem.column));
        Self {
            jobs: content.jobs,
            problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Plaintext;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn lines(text: &str, settings: &Settings) -> Vec<String> {
        let trial = Trial::new("web.yaml", text, settings, Tz::UTC, NOW);
        trial.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn problems_stand_at_their_places_and_the_valid_jobs_are_there() {
        let text = "a:\n  schedule: '0 25 * * *'\n  command: x\n  targets: '*'\nb:\n  schedule: '@daily'\n  command: x\n  targets: '*'\n  tiemout: 5\n";
        let found = lines(text, &Settings::default());
        assert!(found[0].starts_with("web.yaml:2:"), "{found:?}");
        assert!(found[1].starts_with("web.yaml:9:3: warning: "), "{found:?}");
        assert_eq!(found.len(), 2, "{found:?}");
        let trial = Trial::new("web.yaml", text, &Settings::default(), Tz::UTC, NOW);
        let jobs: Vec<_> = trial.jobs.values().collect();
        assert_eq!(
            (jobs.len(), jobs[0].name.as_str(), jobs[0].group.as_str()),
            (1, "b", "web")
        );
    }

    #[test]
    fn a_problem_is_the_changes_own_or_new_or_was_known_in_another_line() {
        let bad = |name: &str, hour: u32| {
            format!("{name}:\n  schedule: '0 {hour} * * *'\n  command: x\n  targets: '*'\n")
        };
        let trial = |text: &str| Trial::new("a.yaml", text, &Settings::default(), Tz::UTC, NOW);
        let before = trial(&format!("# long\n# head\n{}", bad("old", 25)));
        // Lines 1 to 4 are those of the change; `warned` has a warning, which is nobody's concern.
        let text = [
            bad("mine", 26),
            bad("old", 25),
            bad("new", 27),
            format!("{}  tiemout: 5\n", bad("warned", 1)),
        ];
        let after = trial(&text.concat());
        let standing = after.standing(&(1..5), || before.problems.clone());
        let found: Vec<_> = standing
            .iter()
            .map(|(problem, standing)| (problem.line, *standing))
            .collect();
        let expected = [
            (2, Standing::Own),
            (6, Standing::Known),
            (10, Standing::New),
        ];
        assert_eq!(found, expected);
        // Where there is nothing else, nobody reads the file once more.
        let alone = trial(&bad("mine", 26));
        let standing = alone.standing(&(1..5), || panic!("asked for nothing"));
        assert_eq!(standing.len(), 1);
    }

    #[test]
    fn what_is_no_mapping_is_one_problem() {
        for text in ["- a\n", "a: [\n", "a: b: c\n"] {
            assert_eq!(lines(text, &Settings::default()).len(), 1, "{text}");
        }
        assert_eq!(lines("", &Settings::default()), Vec::<String>::new());
    }

    #[test]
    fn the_settings_in_force_have_their_say() {
        let text = "a: {schedule: '@daily', command: x, targets: '*', wrapper_protocol: 1}\n";
        let found = lines(text, &Settings::default());
        assert!(found[0].contains("speak no TLS"), "{found:?}");
        let lenient = Settings {
            machines_ws_plaintext: Plaintext::Allow,
            ..Settings::default()
        };
        assert_eq!(lines(text, &lenient), Vec::<String>::new());
    }
}
