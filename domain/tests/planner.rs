//! What is due, what was missed, and when to wake.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use chrono_tz::Tz;
use proptest::prelude::*;
use saltpeter_domain::config::{FileChange, JobSet, Loader};
use saltpeter_domain::planner::{Due, FireKind, MAX_MISSED_LISTED, Planner};
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// 2026-06-01T00:00:00Z.
const START: UnixMillis = UnixMillis(1_780_272_000_000);

fn at(seconds: i64) -> UnixMillis {
    UnixMillis(START.0 + seconds * 1000)
}

fn set(jobs: &[(&str, &str)]) -> JobSet {
    set_with(jobs, "")
}

fn set_with(jobs: &[(&str, &str)], settings: &str) -> JobSet {
    let mut text = format!("saltpeter_config: {{{settings}}}\n");
    for (name, schedule) in jobs {
        let _ = writeln!(
            text,
            "{name}: {{schedule: '{schedule}', command: x, targets: '*'}}"
        );
    }
    let set = Loader::new(Tz::UTC).apply(
        [("x.yaml".to_owned(), FileChange::Content(text.into_bytes()))],
        START,
    );
    assert!(!set.has_errors(), "{:?}", set.problems);
    set
}

fn planner(jobs: &[(&str, &str)]) -> Planner {
    let mut planner = Planner::new(BTreeMap::new());
    planner.update(&set(jobs), START);
    planner
}

/// What is due as `name@seconds`, with a `+` where it makes up for something and `-` and the reason where it was missed.
fn shown(due: &[Due]) -> String {
    let seconds = |instant: UnixMillis| (instant.0 - START.0) / 1000;
    let mut words = Vec::new();
    for due in due {
        let name = &due.job.name;
        for missed in &due.missed {
            words.push(format!(
                "{name}-{}:{:?}",
                seconds(missed.instant),
                missed.reason
            ));
        }
        for fire in &due.fires {
            let sign = match fire.kind {
                FireKind::OnTime => '@',
                FireKind::CatchUp => '+',
            };
            words.push(format!("{name}{sign}{}", seconds(fire.instant)));
        }
    }
    words.join(" ")
}

fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

#[test]
fn a_job_is_due_at_its_instant_and_once() {
    let mut planner = planner(&[("a", "* * * * *"), ("b", "30 * * * * *")]);
    assert_eq!(planner.next_wake(), Some(at(30)));
    assert_eq!(planner.due(UnixMillis(at(30).0 - 1)), []);
    assert_eq!(shown(&planner.due(at(30))), "b@30");
    assert_eq!(shown(&planner.due(at(30))), "");
    assert_eq!(planner.next_wake(), Some(at(60)));
    assert_eq!(planner.next_fire("b"), Some(at(90)));
    assert_eq!(shown(&planner.due(at(61))), "a@60");
}

#[test]
fn the_latest_within_the_window_is_started_and_the_rest_is_missed() {
    let mut planner = planner(&[("a", "* * * * *")]);
    let due = planner.due(at(185));
    assert_eq!(shown(&due), "a-60:Late a-120:Late a@180");
    assert_eq!(planner.next_wake(), Some(at(240)));
    // The window's edge belongs to it.
    assert_eq!(shown(&planner.due(at(300))), "a-240:Superseded a@300");
}

#[test]
fn the_start_window_is_a_setting() {
    let mut planner = Planner::new(BTreeMap::new());
    planner.update(&set_with(&[("a", "@hourly")], "start_window: 1800"), START);
    assert_eq!(shown(&planner.due(at(3600 + 1800))), "a@3600");
    assert_eq!(shown(&planner.due(at(7200 + 1801))), "a-7200:Late");
}

#[test]
fn what_came_due_while_the_server_was_down_is_found_at_the_start() {
    let last = BTreeMap::from([(name("a"), at(-1800)), (name("gone"), at(-60))]);
    let mut planner = Planner::new(last);
    planner.update(
        &set(&[("a", "*/10 * * * *"), ("new", "*/10 * * * *")]),
        at(30),
    );
    let due = planner.due(at(30));
    // 00:00 is within the window; the job that has never run has nothing to make up for.
    assert_eq!(shown(&due), "a--1200:NotRunning a--600:NotRunning a@0");
}

/// A planner with one job of this policy, every ten minutes, last seen at an hour before the start.
fn after_an_hour(policy: &str) -> Planner {
    let text = format!("a: {{schedule: '*/10 * * * *', command: x, targets: '*', {policy}}}\n");
    let set = Loader::new(Tz::UTC).apply(
        [("x.yaml".to_owned(), FileChange::Content(text.into_bytes()))],
        START,
    );
    assert!(!set.has_errors(), "{:?}", set.problems);
    let mut planner = Planner::new(BTreeMap::from([(name("a"), at(-2400))]));
    planner.update(&set, at(-300));
    planner
}

#[test]
fn one_run_or_one_for_each_makes_up_for_what_was_missed() {
    let cases = [
        (
            "missed: once",
            "a--1800:NotRunning a--1200:NotRunning a+-600",
        ),
        ("missed: all", "a+-1800 a+-1200 a+-600"),
        (
            "missed: all, missed_window: 800",
            "a--1800:NotRunning a--1200:NotRunning a+-600",
        ),
        (
            "missed: once, missed_window: 60",
            "a--1800:NotRunning a--1200:NotRunning a--600:NotRunning",
        ),
    ];
    for (policy, expected) in cases {
        let mut planner = after_an_hour(policy);
        assert_eq!(shown(&planner.due(at(-300))), expected, "{policy}");
        assert_eq!(shown(&planner.due(at(0))), "a@0", "{policy}");
    }
}

#[test]
fn a_fire_that_is_just_due_makes_up_for_the_earlier_ones_or_waits_for_them() {
    let mut once = after_an_hour("missed: once");
    let expected = "a--1800:NotRunning a--1200:NotRunning a--600:NotRunning a@0";
    assert_eq!(shown(&once.due(at(30))), expected);
    let mut all = after_an_hour("missed: all");
    assert_eq!(shown(&all.due(at(30))), "a+-1800 a+-1200 a+-600 a+0");
}

#[test]
fn a_clock_set_forward_is_no_reason_to_lose_an_instant_in_silence() {
    let mut planner = planner(&[("a", "*/10 * * * *")]);
    planner.due(at(1));
    assert_eq!(shown(&planner.due(at(1500))), "a-600:Late a-1200:Late");
}

#[test]
fn days_of_missed_seconds_are_found_without_walking_through_them() {
    let mut planner = Planner::new(BTreeMap::from([(name("a"), at(-30 * 86_400))]));
    planner.update(&set(&[("a", "* * * * * *")]), START);
    let started = Instant::now();
    let due = planner.due(START);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    let [due] = due.as_slice() else {
        panic!("{due:?}");
    };
    assert_eq!(
        (due.fires.len(), due.missed.len()),
        (1, MAX_MISSED_LISTED - 1)
    );
    assert!(due.unlisted);
    assert_eq!((due.last(), due.missed[0].instant), (Some(START), at(-99)));
}

#[test]
fn a_clock_that_steps_back_makes_nothing_fire_twice() {
    let mut planner = planner(&[("a", "* * * * *")]);
    assert_eq!(shown(&planner.due(at(60))), "a@60");
    for seconds in [59, 60, 30, 0, 60] {
        assert_eq!(shown(&planner.due(at(seconds))), "");
    }
    // Nor does taking the job out and putting it back, nor a change of its schedule.
    planner.update(&set(&[]), at(55));
    planner.update(&set(&[("a", "* * * * *")]), at(56));
    assert_eq!(shown(&planner.due(at(60))), "");
    planner.update(&set(&[("a", "*/2 * * * *")]), at(56));
    planner.update(&set(&[("a", "* * * * *")]), at(57));
    assert_eq!(shown(&planner.due(at(60))), "");
    assert_eq!(shown(&planner.due(at(120))), "a@120");
}

#[test]
fn a_clock_that_was_years_ahead_does_not_silence_a_job() {
    let mut planner = planner(&[("a", "* * * * *")]);
    planner.due(at(4 * 365 * 86_400));
    assert_eq!(shown(&planner.due(at(30))), "");
    assert_eq!(shown(&planner.due(at(60))), "a@60");
    let mut planner = Planner::new(BTreeMap::from([(name("a"), at(4 * 365 * 86_400))]));
    planner.update(&set(&[("a", "* * * * *")]), START);
    assert!(planner.next_wake() > Some(START));
}

#[test]
fn a_new_configuration_moves_only_what_changed() {
    let mut planner = planner(&[("a", "@hourly"), ("b", "@hourly"), ("c", "@hourly")]);
    planner.update(
        &set(&[("a", "@hourly"), ("b", "30 * * * *"), ("d", "5 0 * * *")]),
        at(100),
    );
    let next = |job: &str| planner.next_fire(job).map(|at| (at.0 - START.0) / 1000);
    assert_eq!(
        (next("a"), next("b"), next("c"), next("d")),
        (Some(3600), Some(1800), None, Some(300))
    );
    assert_eq!(planner.next_wake(), Some(at(300)));
    // A job put back later has nothing to make up for.
    planner.update(&set(&[("c", "@hourly")]), at(86_400 + 60));
    let due = planner.due(at(86_400 + 60));
    assert_eq!(due, []);
}

#[test]
fn a_new_default_zone_moves_the_jobs_that_name_none() {
    let jobs = [("a", "0 12 * * *")];
    let mut planner = planner(&jobs);
    assert_eq!(planner.next_fire("a"), Some(at(12 * 3600)));
    planner.update(&set_with(&jobs, "timezone: Europe/Berlin"), START);
    assert_eq!(planner.next_fire("a"), Some(at(10 * 3600)));
}

#[test]
fn ten_thousand_jobs_are_planned_and_a_thousand_fire_in_one_second_in_time() {
    let jobs: Vec<(String, String)> = (0..10_000)
        .map(|n| {
            (
                format!("job{n}"),
                if n < 1_000 {
                    "0 0 1 * * *".to_owned()
                } else {
                    format!("{} {} * * *", n % 60, n % 24)
                },
            )
        })
        .collect();
    let jobs: Vec<(&str, &str)> = jobs
        .iter()
        .map(|(name, schedule)| (name.as_str(), schedule.as_str()))
        .collect();
    let set = set(&jobs);
    let mut planner = Planner::new(BTreeMap::new());
    let started = Instant::now();
    planner.update(&set, START);
    let planned = started.elapsed();
    let started = Instant::now();
    let due = planner.due(at(3600));
    let fired = started.elapsed();
    let in_that_second = due.iter().filter(|due| due.last() == Some(at(3600)));
    assert!(in_that_second.count() >= 1_000);
    // This build is not optimised; the optimised one is ten times as fast.
    assert!(
        planned < Duration::from_secs(2) && fired < Duration::from_millis(500),
        "{planned:?} {fired:?}"
    );
    println!("planned in {planned:?}, {} jobs in {fired:?}", due.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_instant_is_handed_out_twice_and_none_is_lost(
        steps in prop::collection::vec((-120..400_i64, prop::bool::ANY), 1..60),
        schedules in prop::collection::vec(prop::sample::select(vec!["* * * * *", "*/7 * * * * *", "@hourly", "3,5 * * * *"]), 1..4),
    ) {
        let jobs: Vec<(String, &str)> = schedules.iter().enumerate().map(|(n, text)| (format!("j{n}"), *text)).collect();
        let jobs: Vec<(&str, &str)> = jobs.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let set = set(&jobs);
        let mut planner = Planner::new(BTreeMap::new());
        planner.update(&set, START);
        let (mut clock, mut latest) = (0, 0);
        let mut seen = BTreeSet::new();
        for (step, reload) in steps {
            clock = (clock + step).max(0);
            latest = clock.max(latest);
            if reload {
                planner.update(&set, at(clock));
            }
            for due in planner.due(at(clock)) {
                prop_assert!(!due.unlisted && due.fires.len() <= 1);
                for fire in due.fires {
                    prop_assert!(fire.instant <= at(clock) && fire.instant >= at(clock - 60));
                    prop_assert!(seen.insert((due.job.name.clone(), fire.instant)));
                }
                for missed in due.missed {
                    prop_assert!(missed.instant < at(clock));
                    prop_assert!(seen.insert((due.job.name.clone(), missed.instant)));
                }
            }
            prop_assert!(planner.next_wake() > Some(at(clock)));
        }
        for (name, job) in &set.jobs {
            for instant in job.schedule.after(START, Tz::UTC).take_while(|instant| *instant <= at(latest)) {
                prop_assert!(seen.contains(&(name.clone(), instant)), "{name} {instant:?}");
            }
        }
    }
}

#[test]
fn who_is_planned_from_now_on_is_said_so_that_a_first_fire_is_not_forgotten() {
    let mut planner = Planner::new(BTreeMap::from([(name("old"), at(-30))]));
    let jobs = [("new", "@daily"), ("old", "* * * * *")];
    assert_eq!(planner.update(&set(&jobs), at(10)), [name("new")]);
    assert!(planner.update(&set(&jobs), at(20)).is_empty());
    let changed = [("new", "@daily"), ("old", "*/2 * * * *")];
    assert_eq!(planner.update(&set(&changed), at(30)), [name("old")]);
    // A server that dies before midnight and one that starts after it.
    let mut next = Planner::new(BTreeMap::from([(name("new"), at(10))]));
    let after = at(86_400 + 3600);
    assert!(next.update(&set(&[("new", "@daily")]), after).is_empty());
    assert_eq!(shown(&next.due(after)), "new-86400:NotRunning");
}
