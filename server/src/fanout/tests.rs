//! The board: numbers, rows, and what the clock does to them.

use super::{Board, Change, History, RECENT};
use crate::runs::RunChange;
use saltpeter_domain::JobSet;
use saltpeter_domain::config::{FileChange, Loader};
use saltpeter_protocol::api::{Counts, Pause, RunSummary};
use saltpeter_protocol::live::Event;
use saltpeter_protocol::{JobName, RunCause, RunId, RunOutcome, RunState, UnixMillis};
use std::collections::HashMap;
use std::sync::Arc;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

struct Fixture {
    loader: Loader,
    board: Board,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let mut loader = Loader::new(chrono_tz::UTC);
        let jobs = load(&mut loader, text);
        let board = Board::new(&jobs, HashMap::new(), Arc::default(), NOW);
        Self { loader, board }
    }

    fn configure(&mut self, text: &str) {
        let jobs = load(&mut self.loader, text);
        self.board.configure(&jobs, NOW);
    }
}

fn load(loader: &mut Loader, text: &str) -> JobSet {
    let content = FileChange::Content(text.as_bytes().to_vec());
    loader.apply([("jobs.yaml".to_owned(), content)], NOW)
}

fn job(name: &str, schedule: &str) -> String {
    format!("{name}:\n  schedule: '{schedule}'\n  command: 'true'\n  targets: '*'\n")
}

fn name(text: &str) -> JobName {
    text.parse().unwrap()
}

fn run(job: &str, ordinal: i64, outcome: Option<RunOutcome>) -> RunSummary {
    let created = NOW + std::time::Duration::from_secs(ordinal as u64);
    RunSummary {
        id: RunId::compose(&name(job), created, 1),
        job: name(job),
        cause: RunCause::Schedule { instant: created },
        state: outcome.map_or(RunState::Running, |outcome| RunState::Ended {
            at: created,
            outcome,
        }),
        created,
        counts: Counts::default(),
        running_on: Vec::new(),
        kill: None,
        stopped: None,
    }
}

fn change(summary: RunSummary) -> RunChange {
    RunChange {
        summary,
        machines: Vec::new(),
    }
}

#[test]
fn a_subscriber_gets_the_board_and_every_later_change_in_order() {
    let mut fixture = Fixture::new(&job("a", "@daily"));
    let mut subscription = fixture.board.subscribe(NOW);
    assert_eq!(subscription.overview.jobs.len(), 1);
    fixture.configure(&(job("b", "@daily") + &job("c", "@daily")));
    fixture.board.take_run(change(run("b", 1, None)));
    fixture.board.flush();
    let mut seen = Vec::new();
    let mut last = subscription.seq;
    while let Ok(sequenced) = subscription.changes.try_recv() {
        assert_eq!(sequenced.seq, last + 1);
        last = sequenced.seq;
        seen.push(match &sequenced.change {
            Change::Event(event) => match &**event {
                Event::Job { job } => format!("{} with {} runs", job.name, job.active.len()),
                Event::JobRemoved { name } => format!("{name} gone"),
                other => format!("{other:?}"),
            },
            Change::Run(run) => format!("run of {}", run.summary.job),
            Change::Reset => "reset".to_owned(),
        });
    }
    let expected = [
        "a gone",
        "b with 0 runs",
        "c with 0 runs",
        "run of b",
        "b with 1 runs",
    ];
    assert_eq!(seen, expected);
    assert_eq!(fixture.board.seq(), last);
}

#[test]
fn quick_changes_of_a_job_come_as_one_row_and_whoever_asks_sees_them_at_once() {
    let fixture = Fixture::new(&job("a", "@daily"));
    let mut subscription = fixture.board.subscribe(NOW);
    for ordinal in 0..5 {
        fixture.board.take_run(change(run("a", ordinal, None)));
    }
    assert_eq!(fixture.board.overview(NOW).jobs[0].active.len(), 5);
    let mut rows = 0;
    while let Ok(sequenced) = subscription.changes.try_recv() {
        rows += usize::from(matches!(sequenced.change, Change::Event(_)));
    }
    assert_eq!(rows, 1);
}

#[test]
fn the_newest_ended_runs_are_kept_and_a_lost_one_may_end_anew() {
    let fixture = Fixture::new(&job("a", "@daily"));
    for ordinal in 0..40 {
        let summary = run("a", ordinal, Some(RunOutcome::Succeeded));
        fixture.board.take_run(change(summary));
    }
    fixture
        .board
        .take_run(change(run("a", 39, Some(RunOutcome::Lost))));
    fixture
        .board
        .take_run(change(run("a", 39, Some(RunOutcome::Failed))));
    let row = fixture.board.row(&name("a")).unwrap();
    assert_eq!(row.recent.len(), RECENT);
    let newest = row.recent.last().unwrap();
    assert_eq!(newest.state.outcome(), Some(&RunOutcome::Failed));
    assert_eq!(row.last.unwrap().id, newest.run);
    assert!(row.recent.is_sorted_by_key(|bar| bar.started));
}

#[test]
fn a_server_that_starts_shows_what_the_one_before_showed() {
    let fixture = Fixture::new(&job("a", "@daily"));
    let mut runs: Vec<RunSummary> = (0..RECENT as i64 + 5)
        .map(|ordinal| run("a", ordinal, Some(RunOutcome::Succeeded)))
        .collect();
    // One that was begun long before the others, and one in the middle of them, end last.
    let mut ends = runs.clone();
    for early in [20, 2] {
        let summary = ends.remove(early);
        ends.push(summary);
    }
    for summary in ends {
        fixture.board.take_run(change(summary));
    }
    let before = fixture.board.row(&name("a")).unwrap();
    // As the store has them: newest first.
    runs.reverse();
    runs.truncate(RECENT);
    let history = History::new(runs, Vec::new());
    fixture
        .board
        .replace_histories(HashMap::from([(name("a"), history)]));
    assert_eq!(fixture.board.row(&name("a")).unwrap(), before);
}

#[test]
fn the_next_time_moves_on_with_the_clock_and_back_with_it() {
    let fixture = Fixture::new(&job("a", "* * * * *"));
    let first = fixture.board.row(&name("a")).unwrap().next.unwrap();
    assert_eq!(fixture.board.next_wake(), Some(first));
    assert!(fixture.board.pass_time(first));
    let minute = std::time::Duration::from_mins(1);
    assert_eq!(
        fixture.board.row(&name("a")).unwrap().next,
        Some(first + minute)
    );
    assert!(fixture.board.pass_time(first - minute));
    assert_eq!(fixture.board.row(&name("a")).unwrap().next, Some(first));
}

#[test]
fn a_paused_job_has_no_next_time() {
    let fixture = Fixture::new(&job("a", "@daily"));
    let pause = Pause {
        by: "marin".to_owned(),
        at: NOW,
    };
    fixture
        .board
        .pause(&Arc::new(HashMap::from([(name("a"), pause)])));
    let row = fixture.board.row(&name("a")).unwrap();
    assert!(row.next.is_none() && row.paused.is_some());
    fixture.board.pause(&Arc::default());
    assert!(fixture.board.row(&name("a")).unwrap().next.is_some());
}

#[test]
fn after_missed_changes_everything_is_sent_anew() {
    let fixture = Fixture::new(&job("a", "@daily"));
    fixture.board.take_run(change(run("a", 1, None)));
    let mut subscription = fixture.board.subscribe(NOW);
    let history = History {
        last: Some(run("a", 1, Some(RunOutcome::Succeeded))),
        ..History::default()
    };
    fixture
        .board
        .replace_histories(HashMap::from([(name("a"), history)]));
    let sequenced = subscription.changes.try_recv().unwrap();
    assert!(matches!(sequenced.change, Change::Reset));
    let row = fixture.board.row(&name("a")).unwrap();
    assert!(row.active.is_empty() && row.last.is_some());
}
