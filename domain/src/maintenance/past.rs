//! What was under maintenance when: from what it became, each time that it became something else.

use super::Maintenance;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{Band, Held};
use std::collections::{BTreeMap, BTreeSet};

/// What maintenance became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When that was noticed.
    pub at: UnixMillis,
    /// Who made it so, as far as that is known.
    pub by: Option<String>,
    /// All of it from then on.
    pub became: Maintenance,
}

/// When what was under maintenance. `changes` are in the order in which they came about; what the first one tells was there
/// already, since when it says. What had an end was over by then, also when nothing changed any more; what has none yet has
/// none here.
///
/// Bands are in the order of what they are of and of their beginning, and none of one thing overlaps another of it.
pub fn bands(changes: &[Change]) -> Vec<Band> {
    let mut past = Past::default();
    for change in changes {
        past.note(change);
    }
    let mut bands = past.over;
    bands.extend(past.going.into_values());
    bands.retain(|band| band.to.is_none_or(|to| to > band.from));
    bands.sort_by(|a, b| (&a.held, a.from).cmp(&(&b.held, b.from)));
    bands
}

#[derive(Default)]
struct Past<'c> {
    over: Vec<Band>,
    /// What is under maintenance; each until the end that is known so far.
    going: BTreeMap<Held, Band>,
    /// The newest change, and from when on it counts.
    last: Option<(&'c Change, UnixMillis)>,
}

impl<'c> Past<'c> {
    fn note(&mut self, change: &'c Change) {
        let became = &change.became;
        let at = match self.last {
            // A clock may have been set back.
            Some((_, last)) => change.at.max(last),
            None => became.since.unwrap_or(change.at).min(change.at),
        };
        let held = held(became, at);
        for (of, band) in std::mem::take(&mut self.going) {
            if band.to.is_some_and(|to| to <= at) {
                self.over.push(band);
            } else if held.contains(&of) {
                self.going.insert(of, band);
            } else {
                let to = Some(at);
                self.over.push(Band { to, ..band });
            }
        }
        // An edit by somebody is also found in the files, and may be found there before it is put down whose it was.
        let begun_so = self.last.filter(|(last, _)| last.became == *became);
        for of in held {
            let band = self.going.entry(of.clone()).or_insert_with(|| Band {
                held: of,
                from: at,
                to: None,
                by: change.by.clone(),
                reason: None,
            });
            if band.by.is_none() && begun_so.is_some_and(|(_, begun)| begun == band.from) {
                band.by.clone_from(&change.by);
            }
            band.to = became.until;
            if became.reason.is_some() {
                band.reason.clone_from(&became.reason);
            }
        }
        self.last = Some((change, at));
    }
}

/// What `maintenance` keeps from starting at `at`.
fn held(maintenance: &Maintenance, at: UnixMillis) -> BTreeSet<Held> {
    if maintenance.is_over(at) {
        return BTreeSet::new();
    }
    let everything = maintenance.global.then_some(Held::Everything);
    let groups = maintenance.groups.iter().cloned().map(Held::Group);
    let machines = maintenance.machines.iter().cloned().map(Held::Machine);
    everything
        .into_iter()
        .chain(groups)
        .chain(machines)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use saltpeter_protocol::MachineId;

    fn at(minute: i64) -> UnixMillis {
        UnixMillis(minute * 60_000)
    }

    fn change(minute: i64, by: &str, became: Maintenance) -> Change {
        Change {
            at: at(minute),
            by: (!by.is_empty()).then(|| by.to_owned()),
            became,
        }
    }

    fn global() -> Maintenance {
        Maintenance {
            global: true,
            ..Maintenance::default()
        }
    }

    /// `WHAT FROM-TO by WHO: WHY`, in minutes.
    fn told(changes: &[Change]) -> Vec<String> {
        let minute = |at: UnixMillis| at.0 / 60_000;
        let tell = |band: Band| {
            let what = match &band.held {
                Held::Everything => "everything",
                Held::Group(name) => name,
                Held::Machine(name) => name.as_str(),
            };
            let to = band
                .to
                .map_or_else(String::new, |to| minute(to).to_string());
            format!(
                "{what} {}-{to} by {}: {}",
                minute(band.from),
                band.by.as_deref().unwrap_or("?"),
                band.reason.as_deref().unwrap_or("?")
            )
        };
        bands(changes).into_iter().map(tell).collect()
    }

    #[test]
    fn what_goes_on_keeps_its_beginning_and_who_began_it() {
        let web1 = || [MachineId::new("web1").unwrap()].into();
        let changes = [
            change(0, "", Maintenance::default()),
            change(
                10,
                "ana",
                Maintenance {
                    reason: Some("kernel".to_owned()),
                    ..global()
                },
            ),
            change(
                15,
                "bor",
                Maintenance {
                    machines: web1(),
                    reason: Some("disks".to_owned()),
                    ..global()
                },
            ),
            change(
                20,
                "ana",
                Maintenance {
                    machines: web1(),
                    ..Maintenance::default()
                },
            ),
            change(30, "ana", global()),
        ];
        assert_eq!(
            told(&changes),
            [
                "everything 10-20 by ana: disks",
                "everything 30- by ana: ?",
                "web1 15-30 by bor: disks",
            ]
        );
    }

    #[test]
    fn what_has_an_end_is_over_by_then_and_what_comes_after_is_something_new() {
        let until = |minute| Maintenance {
            until: Some(at(minute)),
            ..global()
        };
        let changes = [
            change(0, "", Maintenance::default()),
            change(10, "ana", until(20)),
            // Longer than was said at first.
            change(15, "ana", until(25)),
            change(40, "bor", until(50)),
        ];
        assert_eq!(
            told(&changes),
            ["everything 10-25 by ana: ?", "everything 40-50 by bor: ?"]
        );
    }

    #[test]
    fn what_was_there_at_first_began_when_it_says() {
        let since = |since, until: Option<i64>| Maintenance {
            since: Some(at(since)),
            until: until.map(at),
            ..global()
        };
        assert_eq!(
            told(&[change(10, "", since(4, None))]),
            ["everything 4- by ?: ?"]
        );
        assert_eq!(
            told(&[change(10, "", since(4, Some(6)))]),
            ["everything 4-6 by ?: ?"]
        );
        // It does not say so of later.
        assert_eq!(
            told(&[change(10, "", since(12, None))]),
            ["everything 10- by ?: ?"]
        );
        let later = [
            change(0, "", Maintenance::default()),
            change(10, "", since(4, None)),
        ];
        assert_eq!(told(&later), ["everything 10- by ?: ?"]);
    }

    #[test]
    fn whose_an_edit_is_may_be_told_after_it_was_found_in_the_files() {
        let off = change(0, "", Maintenance::default());
        let found = change(10, "", global());
        let edited = change(10, "ana", global());
        let once = ["everything 10- by ana: ?"];
        assert_eq!(told(&[off.clone(), edited.clone(), found.clone()]), once);
        assert_eq!(told(&[off.clone(), found.clone(), edited]), once);
        // Who only adds something to it did not begin it.
        let more = Maintenance {
            groups: ["db".to_owned()].into(),
            ..global()
        };
        assert_eq!(
            told(&[off, found, change(11, "ana", more)]),
            ["everything 10- by ?: ?", "db 11- by ana: ?"]
        );
    }

    prop_compose! {
        fn maintenance()(
            global in any::<bool>(),
            groups in prop::collection::btree_set("[ab]", 0..2),
            machines in prop::collection::btree_set("[mn]", 0..2),
            since in prop::option::of(0_i64..40),
            until in prop::option::of(0_i64..40),
            reason in prop::option::of("[xy]"),
        ) -> Maintenance {
            let machine = |name: String| MachineId::new(name).unwrap();
            Maintenance {
                global,
                groups,
                machines: machines.into_iter().map(machine).collect(),
                reason,
                by: None,
                since: since.map(at),
                until: until.map(at),
            }
        }
    }

    proptest! {
        #[test]
        fn at_every_moment_that_is_drawn_which_was_in_force(
            changes in prop::collection::vec((0_i64..6, prop::option::of("[pq]"), maintenance()), 0..12)
        ) {
            let mut minute = 0;
            let changes: Vec<Change> = changes.into_iter().map(|(after, by, became)| {
                minute += after;
                Change { at: at(minute), by, became }
            }).collect();
            let bands = bands(&changes);
            for pair in bands.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                prop_assert!(
                    a.held < b.held || (a.held == b.held && a.to.is_some_and(|to| to <= b.from)),
                    "{a:?} {b:?}"
                );
            }
            for band in &bands {
                prop_assert!(band.to.is_none_or(|to| to > band.from), "{band:?}");
            }
            // The same, without any history: what is asked at a moment is answered by the last change before it.
            let counts_from = |(index, change): (usize, &Change)| match change.became.since {
                Some(since) if index == 0 => since.min(change.at),
                _ => change.at,
            };
            for half_minute in 0..200 {
                let now = UnixMillis(half_minute * 30_000);
                let last = changes.iter().enumerate().rev().find(|&at| counts_from(at) <= now);
                let in_force = last.map(|(_, change)| held(&change.became, now)).unwrap_or_default();
                let drawn: BTreeSet<Held> = bands
                    .iter()
                    .filter(|band| band.from <= now && band.to.is_none_or(|to| to > now))
                    .map(|band| band.held.clone())
                    .collect();
                prop_assert_eq!(drawn, in_force, "at {}", half_minute);
            }
        }

        #[test]
        fn no_order_of_times_makes_bands_overlap(
            changes in prop::collection::vec((0_i64..40, maintenance()), 0..12)
        ) {
            let changes: Vec<Change> = changes.into_iter().map(|(minute, became)| change(minute, "", became)).collect();
            let bands = bands(&changes);
            for pair in bands.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                prop_assert!(a.held != b.held || a.to.is_some_and(|to| to <= b.from), "{a:?} {b:?}");
            }
        }
    }
}
