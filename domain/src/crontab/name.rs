//! A job's name, made from its command.

use saltpeter_protocol::JobName;
use std::collections::{BTreeMap, BTreeSet};

/// Words that run what follows them.
const CARRIERS: [&str; 24] = [
    "exec", "nice", "ionice", "nohup", "sudo", "env", "time", "timeout", "flock", "chronic",
    "setsid", "bash", "sh", "dash", "zsh", "ksh", "python", "python2", "python3", "perl", "php",
    "ruby", "node", "chrt",
];
/// Commands that only prepare or ask.
const PREPARING: [&str; 10] = [
    "cd", "test", "[", "[[", "command", "source", ".", "if", "export", "umask",
];
/// Longest name made, without what keeps two apart.
const LONGEST: usize = 60;

/// Gives out names, each once, and none that is somebody's.
pub(super) struct Names<'t> {
    taken: &'t dyn Fn(&str) -> bool,
    given: BTreeSet<String>,
    /// The number to try next, where a name has been given out.
    next: BTreeMap<String, u32>,
}

impl<'t> Names<'t> {
    pub(super) fn new(taken: &'t dyn Fn(&str) -> bool) -> Self {
        Self {
            taken,
            given: BTreeSet::new(),
            next: BTreeMap::new(),
        }
    }

    /// A name for a job with this command; `ending` tells the jobs of one line apart. The second is the name that it would
    /// have if that were not somebody's.
    pub(super) fn take(
        &mut self,
        command: &str,
        ending: &str,
    ) -> (Option<JobName>, Option<String>) {
        let stem = format!("{}{ending}", base(command));
        let number = self.next.entry(stem.clone()).or_insert(1);
        let mut refused = None;
        loop {
            let name = match *number {
                1 => stem.clone(),
                number => format!("{stem}_{number}"),
            };
            *number += 1;
            if (self.taken)(&name) {
                refused.get_or_insert(name);
            } else if self.given.insert(name.clone()) {
                return (JobName::new(name).ok(), refused);
            }
        }
    }
}

fn base(command: &str) -> String {
    let segments = command.split(['|', ';', '&', '(', ')', '{', '}']);
    let found = segments
        .filter_map(main_word)
        .map(clean)
        .find(|word| !word.is_empty());
    found.unwrap_or_else(|| "job".to_owned())
}

/// The word of a simple command that says what it does.
fn main_word(segment: &str) -> Option<&str> {
    let mut carrier = None;
    for word in segment.split_whitespace() {
        let word = word.trim_matches(['"', '\'', '`']);
        let name = word.rsplit('/').next().unwrap_or(word);
        if carrier.is_none() && PREPARING.contains(&name) {
            return None;
        }
        if CARRIERS.contains(&name) {
            carrier = Some(word);
        } else if carrier.is_some() && is_argument(word) || is_assignment(word) {
            // Options of the carrier, and the environment.
        } else if word.starts_with(['>', '<']) || word.starts_with("2>") {
            break;
        } else {
            return Some(word);
        }
    }
    carrier
}

fn is_argument(word: &str) -> bool {
    word.starts_with(['-', '+'])
        || word.starts_with(|c: char| c.is_ascii_digit())
        || word.strip_suffix(".lock").is_some()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn clean(word: &str) -> String {
    let word = word.trim_end_matches('/');
    let name = word.rsplit('/').next().unwrap_or(word);
    let stem = ["sh", "py", "pl", "php", "rb", "js", "bash"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'))
        .unwrap_or(name);
    let name: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST)
        .collect();
    let name = name
        .trim_start_matches(['.', '-', '_'])
        .trim_end_matches('_');
    // The two names that are no jobs.
    if name.starts_with("saltpeter_") {
        return format!("job_{name}");
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_the_command_does() {
        for (command, name) in [
            ("/usr/local/bin/backup.sh --full", "backup"),
            ("cd / && run-parts --report /etc/cron.hourly", "run-parts"),
            (
                "test -x /usr/sbin/anacron || ( cd / && run-parts /etc/cron.daily )",
                "run-parts",
            ),
            (
                "LANG=C nice -n 19 python3 /opt/report.py > /dev/null 2>&1",
                "report",
            ),
            ("/usr/bin/flock -n /run/a.lock /opt/sync", "sync"),
            ("[ -e /a ] && ..", "job"),
            ("saltpeter_config", "job_saltpeter_config"),
            ("\"/opt/my tool\"", "my"),
        ] {
            assert_eq!(base(command), name, "{command}");
        }
        let taken = |name: &str| name == "a_2";
        let mut names = Names::new(&taken);
        let mut take = || {
            let (name, refused) = names.take("/opt/a", "");
            (name.map(|name| name.to_string()), refused)
        };
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(take(), (named("a"), None));
        assert_eq!(take(), (named("a_3"), named("a_2")));
    }
}
