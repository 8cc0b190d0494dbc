//! One life of the server: the real runs, scheduler and hub on simulated surroundings. When it dies, nothing that its tasks
//! still do has any effect: what they wait for never comes.

use crate::disk::SimStore;
use crate::executor::SimDispatch;
use crate::net::Conn;
use crate::output::SimOutput;
use crate::world::{Mutation, World};
use saltpeter_domain::JobSet;
use saltpeter_server::config_watch::Config;
use saltpeter_server::machines::{Hub, Limits, RunKey};
use saltpeter_server::runs::Runs;
use saltpeter_server::scheduler::Scheduler;
use saltpeter_server::store::health::Health;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) fn key() -> RunKey {
    RunKey::from_bytes([7; 32])
}

pub(crate) struct Life {
    pub(crate) number: u64,
    dead: CancellationToken,
    stop: CancellationToken,
    closing: CancellationToken,
    runs: OnceLock<Runs>,
    hub: OnceLock<Hub>,
    pub(crate) lines: Mutex<Vec<Arc<Conn>>>,
}

impl Life {
    pub(crate) fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            dead: CancellationToken::new(),
            stop: CancellationToken::new(),
            closing: CancellationToken::new(),
            runs: OnceLock::new(),
            hub: OnceLock::new(),
            lines: Mutex::default(),
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.dead.is_cancelled()
    }

    /// Returns at once while the server lives, and never after.
    pub(crate) async fn gate(&self) {
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
    }

    /// The hub, once wrappers are heard.
    pub(crate) fn hub(&self) -> Option<&Hub> {
        self.hub.get()
    }

    pub(crate) fn runs(&self) -> Option<&Runs> {
        self.hub().and(self.runs.get())
    }

    /// Starts everything, as `boot` does, in its order.
    pub(crate) async fn boot(
        self: &Arc<Self>,
        world: &Arc<World>,
        jobs: watch::Receiver<Arc<JobSet>>,
    ) {
        world.note(format_args!("server {} begins", self.number));
        let store = SimStore::new(Arc::clone(world), Arc::clone(self));
        let dispatch = SimDispatch::new(Arc::clone(world), Arc::clone(self));
        let clock = Arc::clone(&world.clock);
        let last = if world.is(Mutation::NoDedupe) {
            world.disk().first.clone()
        } else {
            world.disk().last_instants()
        };
        let runs = Runs::new(Arc::new(store), Arc::new(dispatch), clock.clone());
        let _ = self.runs.set(runs.clone());
        if let Err(error) = runs.recover().await {
            world.violation(format_args!("recovery failed: {error}"));
        }
        let hub = Hub::new(
            runs.clone(),
            SimOutput::start(Arc::clone(world), Arc::clone(self)),
            key(),
            clock.clone(),
            Limits::default(),
            self.closing.clone(),
        );
        let _ = self.hub.set(hub);
        let scheduler = Scheduler {
            config: Config::of(jobs),
            runs,
            paused: watch::channel(Arc::default()).1,
            health: Health::default(),
            clock,
            journal: Arc::new(|_| {}),
        };
        tokio::spawn(scheduler.run(last, self.stop.clone()));
        world.note(format_args!("server {} is up", self.number));
    }

    /// The end: at once. `heard` says whether the wrappers' machines notice it, as when the process dies, or not, as
    /// when its machine does.
    pub(crate) fn die(&self, world: &World, heard: bool) {
        if self.dead.is_cancelled() {
            return;
        }
        world.note(format_args!("server {} dies, heard: {heard}", self.number));
        self.dead.cancel();
        for line in self.lines.lock().unwrap().drain(..) {
            line.break_off(heard);
        }
        self.stop.cancel();
        self.closing.cancel();
        if let Some(runs) = self.runs.get().cloned() {
            tokio::spawn(async move { runs.close().await });
        }
        let _ = world.deaths.send(self.number);
    }

    /// The end, as somebody asks for it.
    pub(crate) async fn stop(&self, world: &World) {
        world.note(format_args!("server {} is told to stop", self.number));
        self.stop.cancel();
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.closing.cancel();
        if let Some(runs) = self.runs.get() {
            let _ = tokio::time::timeout(Duration::from_secs(3), runs.close()).await;
        }
        self.die(world, true);
    }
}
