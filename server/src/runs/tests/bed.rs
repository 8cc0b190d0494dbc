//! What the tests stand on: a store in memory, a dispatcher that notes what it is asked for, and a clock that tokio's paused time moves.

use super::memory::MemoryStore;
use crate::clock::{Clock, TestClock};
use crate::runs::{
    Dispatch, Dispatched, HelloAnswer, LaunchOrder, MachineInput, NewRun, ResolveOrder, RunChange,
    RunHandle, RunStore, Runs, StartError, StartRun, ToMachine,
};
use saltpeter_domain::RunSpec;
use saltpeter_domain::job::Overlap;
use saltpeter_domain::run::{LogEntry, LogEvent, MachineExit, Resolution, Speaker};
use saltpeter_protocol::machine::v2::{Exit, Progress, WrapperId};
use saltpeter_protocol::{JobName, MachineId, RunCause, RunId, RunState, UnixMillis};
use saltpeter_testkit::run_spec;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
pub(super) const GRACE: Duration = Duration::from_mins(1);
pub(super) const NEW: Progress = Progress::New;
pub(super) const STARTED: Progress = Progress::Started { pid: 7, at: NOW };

/// What the dispatcher was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Resolve(ResolveOrder, RunHandle),
    Launch(LaunchOrder),
    Log(LogEntry),
}

struct NotingDispatch(mpsc::UnboundedSender<Asked>);

impl Dispatch for NotingDispatch {
    fn resolve(&self, order: ResolveOrder, reply: RunHandle) {
        self.0.send(Asked::Resolve(order, reply)).unwrap();
    }
    fn launch(&self, order: LaunchOrder, _reply: RunHandle) {
        self.0.send(Asked::Launch(order)).unwrap();
    }
    fn log(&self, entry: LogEntry) {
        self.0.send(Asked::Log(entry)).unwrap();
    }
}

pub(super) struct Bed {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Arc<TestClock>,
    pub(super) runs: Runs,
    pub(super) changes: broadcast::Receiver<Arc<RunChange>>,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Bed {
    pub(super) fn new() -> Self {
        let clock = Arc::new(TestClock::starting_at(NOW));
        Self::on(Arc::default(), clock)
    }

    fn on(store: Arc<MemoryStore>, clock: Arc<TestClock>) -> Self {
        let (notes, asked) = mpsc::unbounded_channel();
        let dispatch = Arc::new(NotingDispatch(notes));
        let runs = Runs::new(
            Arc::clone(&store) as Arc<dyn RunStore>,
            dispatch,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        Self {
            store,
            clock,
            changes: runs.subscribe(),
            runs,
            asked,
        }
    }

    /// Another server on the same store, which has taken up what was unfinished.
    pub(super) async fn restarted(self) -> Self {
        self.runs.close().await;
        let bed = Self::on(self.store, self.clock);
        bed.runs.recover().await.unwrap();
        bed
    }

    pub(super) async fn start(
        &self,
        overlap: Overlap,
        cause: RunCause,
    ) -> Result<RunId, StartError> {
        self.start_spec(spec(overlap), cause).await
    }

    async fn start_spec(&self, spec: RunSpec, cause: RunCause) -> Result<RunId, StartError> {
        self.runs
            .start(StartRun {
                job: job(),
                spec: Arc::new(spec),
                cause,
                only: None,
                reconnect_grace: GRACE,
            })
            .await
    }

    /// Starts a run of a job that `change` has set up.
    pub(super) async fn start_changed(&self, change: impl FnOnce(&mut RunSpec)) -> RunId {
        let mut spec = spec(Overlap::Skip);
        change(&mut spec);
        self.start_spec(spec, by_hand()).await.unwrap()
    }

    /// Writes a run down that waits, as a server does that dies right after that.
    pub(super) fn leave_waiting(&self, overlap: Overlap, cause: RunCause) -> RunId {
        let new = NewRun {
            job: job(),
            cause,
            created: self.clock.now(),
            spec: Arc::new(spec(overlap)),
            state: RunState::Queued,
            only: None,
            reconnect_grace: GRACE,
        };
        self.store.create(&new).unwrap().id().clone()
    }

    /// Whoever asks the dispatcher for something from now on panics.
    pub(super) fn break_dispatch(&mut self) {
        self.asked.close();
    }

    pub(super) fn clock_now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(super) async fn start_now(&self, overlap: Overlap) -> RunId {
        self.start(overlap, by_hand()).await.unwrap()
    }

    async fn next_asked(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_hours(1), self.asked.recv())
            .await
            .expect("the dispatcher was not asked for anything")
            .unwrap()
    }

    /// Answers the next request for machines; returns the run that asked.
    pub(super) async fn resolve(&mut self, machines: &[&str]) -> RunId {
        loop {
            if let Asked::Resolve(order, reply) = self.next_asked().await {
                let resolution = Resolution {
                    machines: machines.iter().map(|name| machine(name)).collect(),
                    ..Resolution::default()
                };
                reply.report(Dispatched::Resolved(resolution)).await;
                return order.run;
            }
        }
    }

    /// The machines of the next launch.
    pub(super) async fn launched(&mut self) -> Vec<String> {
        let order = self.launch_order().await;
        order.machines.iter().map(ToString::to_string).collect()
    }

    /// The next launch.
    pub(super) async fn launch_order(&mut self) -> LaunchOrder {
        loop {
            if let Asked::Launch(order) = self.next_asked().await {
                return order;
            }
        }
    }

    /// The next event in a job's log that `wanted` accepts; what comes before it is passed over.
    pub(super) async fn logged(&mut self, wanted: impl Fn(&LogEvent) -> bool) -> LogEvent {
        loop {
            match self.next_asked().await {
                Asked::Log(entry) if wanted(&entry.event) => return entry.event,
                _ => {}
            }
        }
    }

    /// Whether anything but log entries has been asked for that no test has looked at.
    pub(super) fn idle(&mut self) -> bool {
        while let Ok(asked) = self.asked.try_recv() {
            if !matches!(asked, Asked::Log(_)) {
                return false;
            }
        }
        true
    }

    /// Waits until a change shows the run in a state that `wanted` accepts.
    pub(super) async fn until(
        &mut self,
        run: &RunId,
        wanted: impl Fn(&RunChange) -> bool,
    ) -> Arc<RunChange> {
        let found = async {
            loop {
                let change = self.changes.recv().await.unwrap();
                if change.summary.id == *run && wanted(&change) {
                    return change;
                }
            }
        };
        tokio::time::timeout(Duration::from_hours(1), found)
            .await
            .expect("the run did not get there within an hour")
    }

    pub(super) async fn until_over(&mut self, run: &RunId) -> Arc<RunChange> {
        self.until(run, |change| change.summary.state.is_ended())
            .await
    }

    /// A run on `a` whose command runs, and its connection.
    pub(super) async fn running(&mut self, overlap: Overlap) -> (RunId, Wrapper) {
        let run = self.start_now(overlap).await;
        self.resolve(&["a"]).await;
        self.launched().await;
        let wrapper = Wrapper::connect(&self.runs, &run, "a", 1, NEW).await;
        wrapper.started().await;
        self.until(&run, |change| change.summary.counts.running == 1)
            .await;
        (run, wrapper)
    }
}

/// A wrapper's connection.
pub(super) struct Wrapper {
    pub(super) handle: RunHandle,
    pub(super) answer: HelloAnswer,
    pub(super) inbox: mpsc::Receiver<ToMachine>,
    machine: MachineId,
}

impl Wrapper {
    pub(super) async fn connect(
        runs: &Runs,
        run: &RunId,
        name: &str,
        id: u64,
        progress: Progress,
    ) -> Self {
        let handle = runs.handle(run).await.unwrap().unwrap();
        let (outbox, inbox) = mpsc::channel(4);
        let speaker = Speaker::V2(WrapperId(id));
        let answer = handle
            .hello(machine(name), speaker, progress, outbox)
            .await
            .unwrap();
        Self {
            handle,
            answer,
            inbox,
            machine: machine(name),
        }
    }

    pub(super) async fn started(&self) {
        self.handle
            .send(MachineInput::Started {
                machine: self.machine.clone(),
                pid: Some(7),
                at: NOW,
            })
            .await;
    }

    pub(super) async fn heard(&self) {
        self.handle
            .send(MachineInput::Heard {
                machine: self.machine.clone(),
            })
            .await;
    }

    pub(super) async fn ended(&self, exit: Exit) {
        self.handle
            .send(MachineInput::Ended {
                machine: self.machine.clone(),
                exit: MachineExit::V2(exit),
            })
            .await;
    }

    /// Ends well and waits for `done`.
    pub(super) async fn finish(&mut self) {
        self.ended(Exit::Exited { code: 0 }).await;
        assert_eq!(self.inbox.recv().await, Some(ToMachine::Done));
    }

    pub(super) fn welcomed(&self) -> bool {
        matches!(self.answer, HelloAnswer::Welcome { .. })
    }
}

pub(super) fn job() -> JobName {
    JobName::new("tick").unwrap()
}

pub(super) fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

pub(super) fn by_hand() -> RunCause {
    RunCause::Manual {
        by: "op".to_owned(),
    }
}

pub(super) fn scheduled(at: i64) -> RunCause {
    RunCause::Schedule {
        instant: UnixMillis(at),
    }
}

fn spec(overlap: Overlap) -> RunSpec {
    RunSpec {
        overlap,
        ..run_spec()
    }
}
