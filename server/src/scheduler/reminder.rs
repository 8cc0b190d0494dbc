//! Says in the server's log what keeps jobs from starting: at once, then every twenty seconds, and once when it is over.

use saltpeter_domain::Maintenance;
use saltpeter_protocol::UnixMillis;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How often the log says that maintenance is on.
const REMIND_EVERY: Duration = Duration::from_secs(20);
/// Groups that a line names; of more it says how many.
const NAMED: usize = 20;

/// Reminds of maintenance of everything and of groups. Machines are named in the jobs' logs, whenever one is left out.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    global: Spaced<()>,
    groups: Spaced<BTreeSet<String>>,
}

impl Reminder {
    /// The lines that are due. `now` is the clock's time, `instant` the same for counting seconds.
    pub(super) fn look(
        &mut self,
        maintenance: &Maintenance,
        now: UnixMillis,
        instant: Instant,
    ) -> Vec<String> {
        let global = maintenance.is_global(now).then_some(&());
        let groups = Some(&maintenance.groups);
        let groups = groups.filter(|groups| !groups.is_empty() && !maintenance.is_nothing(now));
        let global = self.global.look(global, instant).map(|said| match said {
            Said::On(()) => "maintenance mode active: nothing new starts".to_owned(),
            Said::Over => "maintenance mode is over".to_owned(),
        });
        let groups = self.groups.look(groups, instant).map(|said| match said {
            Said::On(groups) => format!(
                "maintenance of groups active: no job of {} starts",
                names(groups)
            ),
            Said::Over => "maintenance of groups is over".to_owned(),
        });
        global.into_iter().chain(groups).collect()
    }

    /// When there will be something to say, unless something changes before.
    pub(super) fn next(&self) -> Option<Instant> {
        let (global, groups) = (self.global.next(), self.groups.next());
        global.into_iter().chain(groups).min()
    }
}

fn names(groups: &BTreeSet<String>) -> String {
    let named: Vec<&str> = groups.iter().take(NAMED).map(String::as_str).collect();
    let more = match groups.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}

/// Says something at once, whenever it becomes something else, and every [`REMIND_EVERY`].
#[derive(Debug)]
struct Spaced<T> {
    /// What was said last, and when to say it again; `None` while there is nothing to say.
    last: Option<(T, Instant)>,
}

impl<T> Default for Spaced<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum Said<'t, T> {
    On(&'t T),
    Over,
}

impl<T: PartialEq + Clone> Spaced<T> {
    fn look(&mut self, present: Option<&T>, now: Instant) -> Option<Said<'_, T>> {
        let Some(present) = present else {
            return self.last.take().map(|_| Said::Over);
        };
        let is_said = |(last, next): &(T, Instant)| last == present && now < *next;
        if self.last.as_ref().is_some_and(is_said) {
            return None;
        }
        let (said, _) = self.last.insert((present.clone(), now + REMIND_EVERY));
        Some(Said::On(said))
    }

    fn next(&self) -> Option<Instant> {
        self.last.as_ref().map(|(_, next)| *next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: &str = "maintenance mode active: nothing new starts";
    const OVER: &str = "maintenance mode is over";

    /// A reminder, and seconds since it was made.
    struct Bed {
        begin: Instant,
        reminder: Reminder,
    }

    impl Bed {
        fn new() -> Self {
            Self {
                begin: Instant::now(),
                reminder: Reminder::default(),
            }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.begin + Duration::from_secs(seconds)
        }

        fn look(&mut self, maintenance: &Maintenance, seconds: u64) -> Vec<String> {
            let now = UnixMillis::from_seconds(i64::try_from(seconds).unwrap());
            self.reminder.look(maintenance, now, self.at(seconds))
        }
    }

    fn of(global: bool, groups: &[&str]) -> Maintenance {
        Maintenance {
            global,
            groups: groups.iter().map(|&name| name.to_owned()).collect(),
            ..Maintenance::default()
        }
    }

    #[test]
    fn the_log_hears_of_global_maintenance_every_twenty_seconds_and_of_its_end() {
        let mut bed = Bed::new();
        let (on, off) = (of(true, &[]), of(false, &[]));
        assert_eq!(bed.look(&off, 0), [""; 0]);
        assert_eq!(bed.look(&on, 5), [ON]);
        assert_eq!(bed.look(&on, 24), [""; 0]);
        assert_eq!(bed.reminder.next(), Some(bed.at(25)));
        assert_eq!(bed.look(&on, 25), [ON]);
        assert_eq!(bed.look(&on, 46), [ON]);
        assert_eq!(bed.look(&off, 50), [OVER]);
        assert_eq!(bed.look(&off, 51), [""; 0]);
        assert_eq!(bed.reminder.next(), None);
    }

    #[test]
    fn it_hears_of_groups_in_the_same_manner_and_of_every_change_of_them() {
        let mut bed = Bed::new();
        let db = "maintenance of groups active: no job of db starts";
        let both = "maintenance of groups active: no job of db, web starts";
        assert_eq!(bed.look(&of(false, &["db"]), 0), [db]);
        assert_eq!(bed.look(&of(false, &["db"]), 19), [""; 0]);
        assert_eq!(bed.look(&of(false, &["db"]), 20), [db]);
        assert_eq!(bed.look(&of(false, &["db", "web"]), 21), [both]);
        assert_eq!(bed.look(&of(true, &["db", "web"]), 30), [ON]);
        assert_eq!(bed.reminder.next(), Some(bed.at(41)));
        assert_eq!(bed.look(&of(true, &["db", "web"]), 41), [both]);
        let groups_over = "maintenance of groups is over";
        assert_eq!(bed.look(&of(false, &[]), 45), [OVER, groups_over]);

        // By itself, too.
        let ends = Maintenance {
            until: Some(UnixMillis::from_seconds(60)),
            ..of(false, &["db"])
        };
        assert_eq!(bed.look(&ends, 50), [db]);
        assert_eq!(bed.look(&ends, 60), [groups_over]);

        let many: Vec<String> = (0..23).map(|n| format!("g{n:02}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let line = bed.look(&of(false, &many), 70).remove(0);
        assert!(line.ends_with("g19 and 3 more starts"), "{line}");
    }
}
