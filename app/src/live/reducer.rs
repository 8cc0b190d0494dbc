//! What a tab knows, and how a message changes it. Pure.

use super::jobs::Jobs;
use crate::components::marks::last_failed;
use saltpeter_protocol::api::{
    JobRow, MachineRow, MaintenanceView, Overview, Problem, RunDetail, RunSummary, ServerView,
    StorageTrouble,
};
use saltpeter_protocol::live::{Event, ServerMessage, SubscriptionId};
use saltpeter_protocol::{RunId, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs that are kept to be told of. Who gets so many at once looks for himself.
pub const MAX_FAILURES: usize = 100;

/// Everything that pages show of the server's state.
#[derive(Debug, Clone)]
pub struct State {
    /// Events up to this one are already in it: the snapshot's number. Several events may have one number.
    seq: u64,
    /// All jobs.
    pub jobs: Jobs,
    /// What is wrong with the configuration.
    pub problems: Arc<Vec<Problem>>,
    /// Maintenance as it is in force.
    pub maintenance: MaintenanceView,
    /// What keeps the server from writing to its disk.
    pub troubles: Arc<Vec<StorageTrouble>>,
    /// The server.
    pub server: ServerView,
    /// Runs that have not ended well while this was looking on, and nobody has been told of.
    failures: Vec<RunSummary>,
    /// Runs that are watched.
    runs: BTreeMap<RunId, Watched>,
}

#[derive(Debug, Clone)]
struct Watched {
    /// Events up to this one are already in it.
    seq: u64,
    detail: Arc<RunDetail>,
}

/// What a message changed, so that only those who show it look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// Everything but the watched runs.
    Everything,
    /// Jobs.
    Jobs,
    /// Maintenance.
    Maintenance,
    /// The configuration's problems.
    Problems,
    /// What is wrong with the server's disk.
    Storage,
    /// A watched run.
    Run(RunId),
    /// The server's clock was read.
    Clock(UnixMillis),
    /// A subscription (or the request as a whole) was refused; the text says why.
    Refused(Option<SubscriptionId>, String),
}

impl State {
    /// The state that a page begins with.
    pub fn new(overview: Overview) -> Self {
        Self {
            seq: 0,
            jobs: Jobs::new(overview.jobs),
            problems: Arc::new(overview.problems),
            maintenance: overview.maintenance,
            troubles: Arc::new(overview.troubles),
            server: overview.server,
            failures: Vec::new(),
            runs: BTreeMap::new(),
        }
    }

    /// Runs that have not ended well since this was asked last; the first `MAX_FAILURES` of them.
    pub fn take_failures(&mut self) -> Vec<RunSummary> {
        std::mem::take(&mut self.failures)
    }

    /// Notes it when a job has a new run that has not ended well. What was there at first is no news.
    fn note_failure(&mut self, before: Option<&JobRow>, now: &JobRow) {
        let Some((before, run)) = before.zip(now.last.as_ref()) else {
            return;
        };
        let is_new = before.last.as_ref().is_none_or(|last| last.id != run.id);
        if is_new && last_failed(now) && self.failures.len() < MAX_FAILURES {
            self.failures.push(run.clone());
        }
    }

    /// A watched run.
    pub fn run(&self, run: &RunId) -> Option<Arc<RunDetail>> {
        self.runs.get(run).map(|watched| watched.detail.clone())
    }

    /// Puts in a run that was read elsewhere, until the socket sends it.
    pub fn watch(&mut self, detail: RunDetail) {
        self.runs.insert(
            detail.summary.id.clone(),
            Watched {
                seq: 0,
                detail: Arc::new(detail),
            },
        );
    }

    /// Lets go of a run.
    pub fn unwatch(&mut self, run: &RunId) {
        self.runs.remove(run);
    }

    /// Takes in a message.
    pub fn apply(&mut self, message: ServerMessage) -> Change {
        match message {
            ServerMessage::Snapshot { seq, overview } => {
                let runs = std::mem::take(&mut self.runs);
                let failures = std::mem::take(&mut self.failures);
                let before = std::mem::replace(self, Self::new(*overview));
                self.seq = seq;
                self.failures = failures;
                // What has failed while the connection was away is told too.
                let jobs: Vec<Arc<JobRow>> = self.jobs.rows().cloned().collect();
                for job in jobs {
                    self.note_failure(before.jobs.get(&job.name).map(|job| &**job), &job);
                }
                // The server sends each watched run anew after a snapshot; until then what was
                // known is better than nothing.
                self.runs = runs;
                for watched in self.runs.values_mut() {
                    watched.seq = watched.seq.max(seq);
                }
                Change::Everything
            }
            ServerMessage::Run { seq, run } => {
                let id = run.summary.id.clone();
                match self.runs.get_mut(&id) {
                    Some(watched) => {
                        watched.seq = seq;
                        watched.detail = Arc::from(run);
                        Change::Run(id)
                    }
                    None => Change::Nothing,
                }
            }
            // They come in with their snapshot.
            ServerMessage::Jobs { .. } => Change::Nothing,
            ServerMessage::Event { seq, event } => self.event(seq, event),
            ServerMessage::Pong { now } => {
                self.server.now = now;
                Change::Clock(now)
            }
            ServerMessage::Error { message, sub } => Change::Refused(sub, message),
        }
    }

    fn event(&mut self, seq: u64, event: Event) -> Change {
        // Runs carry their own number: one that was just sent whole may be ahead of the rest.
        if seq <= self.seq && !matches!(event, Event::Run { .. } | Event::Machine { .. }) {
            return Change::Nothing;
        }
        match event {
            Event::Job { job } => {
                let job: Arc<JobRow> = Arc::from(job);
                let before = self.jobs.put(job.clone());
                self.note_failure(before.as_deref(), &job);
                Change::Jobs
            }
            Event::JobRemoved { name } => {
                self.jobs.remove(&name);
                Change::Jobs
            }
            Event::Maintenance { maintenance } => {
                self.maintenance = maintenance;
                Change::Maintenance
            }
            Event::Problems { problems } => {
                self.problems = Arc::new(problems);
                Change::Problems
            }
            Event::Storage { troubles } => {
                self.troubles = Arc::new(troubles);
                Change::Storage
            }
            Event::Run { summary } => {
                let id = summary.id.clone();
                self.change_run(seq, id, |detail| detail.summary = *summary)
            }
            Event::Machine { run, row } => self.change_run(seq, run, |detail| {
                put_machine(&mut detail.machines, Arc::from(row));
            }),
        }
    }

    fn change_run(&mut self, seq: u64, id: RunId, change: impl FnOnce(&mut RunDetail)) -> Change {
        match self.runs.get_mut(&id) {
            Some(watched) if seq > watched.seq => {
                change(Arc::make_mut(&mut watched.detail));
                Change::Run(id)
            }
            _ => Change::Nothing,
        }
    }
}

/// Machines stand in the order of their names.
fn put_machine(machines: &mut Vec<Arc<MachineRow>>, row: Arc<MachineRow>) {
    match machines.binary_search_by(|known| known.machine.cmp(&row.machine)) {
        Ok(index) => machines[index] = row,
        Err(index) => machines.insert(index, row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::{JobName, MachineState, RunOutcome, RunState};

    fn names(state: &State) -> Vec<&str> {
        state.jobs.rows().map(|job| job.name.as_str()).collect()
    }

    fn event(seq: u64, event: Event) -> ServerMessage {
        ServerMessage::Event { seq, event }
    }

    fn job(name: &str) -> Event {
        Event::Job {
            job: Box::new(sample::job(name)),
        }
    }

    #[test]
    fn a_snapshot_forgets_what_was_and_later_events_add_to_it() {
        let mut state = State::new(sample::overview(&["old"]));
        let snapshot = ServerMessage::Snapshot {
            seq: 10,
            overview: Box::new(sample::overview(&["a", "b"])),
        };
        assert_eq!(state.apply(snapshot), Change::Everything);
        assert_eq!(names(&state), ["a", "b"]);
        assert_eq!(state.apply(event(11, job("c"))), Change::Jobs);
        let removed = Event::JobRemoved {
            name: JobName::new("a").unwrap(),
        };
        assert_eq!(state.apply(event(14, removed)), Change::Jobs);
        assert_eq!(names(&state), ["b", "c"]);
    }

    #[test]
    fn an_event_that_is_already_in_changes_nothing() {
        let mut state = State::new(sample::overview(&[]));
        state.apply(ServerMessage::Snapshot {
            seq: 5,
            overview: Box::new(sample::overview(&["a"])),
        });
        assert_eq!(state.apply(event(5, job("b"))), Change::Nothing);
        assert_eq!(state.apply(event(4, job("b"))), Change::Nothing);
        assert_eq!(names(&state), ["a"]);
        // One change of the server may be told in several events of the same number.
        assert_eq!(state.apply(event(6, job("c"))), Change::Jobs);
        assert_eq!(state.apply(event(6, job("d"))), Change::Jobs);
    }

    #[test]
    fn a_watched_run_follows_its_machines() {
        let detail = sample::run("a_1", &["web1", "web2"]);
        let id = detail.summary.id.clone();
        let mut state = State::new(sample::overview(&[]));
        let mut row = MachineRow::clone(&detail.machines[1]);
        row.state = MachineState::Waiting;
        let change = |seq| {
            event(
                seq,
                Event::Machine {
                    run: id.clone(),
                    row: Box::new(row.clone()),
                },
            )
        };
        assert_eq!(state.apply(change(1)), Change::Nothing, "not watched");

        state.watch(detail.clone());
        assert_eq!(state.apply(change(2)), Change::Run(id.clone()));
        let known = state.run(&id).unwrap();
        assert_eq!(known.machines[1].state, MachineState::Waiting);
        assert_eq!(known.machines.len(), 2);

        let whole = ServerMessage::Run {
            seq: 9,
            run: Box::new(detail.clone()),
        };
        assert_eq!(state.apply(whole), Change::Run(id.clone()));
        assert_eq!(
            state.apply(change(8)),
            Change::Nothing,
            "older than the run"
        );
        assert_eq!(*state.run(&id).unwrap(), detail);

        state.unwatch(&id);
        assert_eq!(state.apply(change(12)), Change::Nothing);
    }

    #[test]
    fn a_new_failure_is_told_once_and_what_was_there_is_no_news() {
        let with_last = |name: &str, run: &str, outcome| {
            let mut job = sample::job(name);
            let at = sample::NOW;
            job.last = Some(sample::summary(run, RunState::Ended { at, outcome }));
            Box::new(job)
        };
        let mut overview = sample::overview(&[]);
        overview
            .jobs
            .push(*with_last("a", "a_1", RunOutcome::Failed));
        let mut state = State::new(overview.clone());
        let told = |state: &mut State| -> Vec<String> {
            let failures = state.take_failures();
            failures.iter().map(|run| run.id.to_string()).collect()
        };
        for (seq, run, outcome) in [
            (1, "a_1", RunOutcome::Failed),
            (2, "a_2", RunOutcome::Succeeded),
            (3, "a_3", RunOutcome::TimedOut),
            (4, "a_3", RunOutcome::TimedOut),
            (5, "a_4", RunOutcome::Killed),
        ] {
            let job = with_last("a", run, outcome);
            state.apply(event(seq, Event::Job { job }));
        }
        let job = with_last("new", "new_1", RunOutcome::Failed);
        state.apply(event(6, Event::Job { job }));
        assert_eq!(told(&mut state), ["a_3"]);
        assert_eq!(told(&mut state), Vec::<String>::new());

        overview.jobs[0] = *with_last("a", "a_9", RunOutcome::Lost);
        let overview = Box::new(overview);
        state.apply(ServerMessage::Snapshot { seq: 9, overview });
        assert_eq!(told(&mut state), ["a_9"]);
    }

    #[test]
    fn a_watched_run_outlives_a_snapshot() {
        let detail = sample::run("a_1", &["web1"]);
        let id = detail.summary.id.clone();
        let mut state = State::new(sample::overview(&[]));
        state.watch(detail);
        state.apply(ServerMessage::Snapshot {
            seq: 3,
            overview: Box::new(sample::overview(&[])),
        });
        assert!(state.run(&id).is_some());
    }
}
