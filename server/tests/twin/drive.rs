//! One simulation: what jobs there are, what happens to them, and the calm after it, in which everything has to end.

use crate::check;
use crate::dice::Dice;
use crate::executor::{MACHINES, machine};
use crate::life::Life;
use crate::world::{BEGIN, Mutation, World};
use saltpeter_domain::config::FileChange;
use saltpeter_domain::{JobSet, Loader};
use saltpeter_protocol::{JobName, RunCause, RunId, UnixMillis};
use saltpeter_server::clock::Clock as _;
use saltpeter_server::runs::{KillError, StartError, StartRun};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// By when everything has to be over once nothing breaks any more: a start window, a silence, the grace, the longest
/// retries, and the time between SIGTERM and SIGKILL.
const CALM: Duration = Duration::from_secs(400);

/// A server that has been up this long in the calm has written down what was due before it.
const SETTLED: Duration = Duration::from_secs(30);

/// How long what is due may take to be written down.
const SLOW: Duration = Duration::from_secs(15);

/// What came of a simulation.
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    /// The same for the same seed.
    pub(crate) hash: u64,
    pub(crate) trace: Vec<String>,
    pub(crate) violations: Vec<String>,
    /// Wrappers that were started, lives of the server.
    pub(crate) wrappers: usize,
    pub(crate) lives: u64,
}

/// Runs the simulation of a seed.
pub(crate) fn simulate(seed: u64, mutation: Option<Mutation>, traced: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (deaths, died) = mpsc::unbounded_channel();
        let world = World::new(seed, mutation, traced, deaths);
        let mut drive = Drive::new(Arc::clone(&world), died);
        drive.run().await;
        let (hash, trace, violations) = world.verdict();
        let wrappers = world.machines().wrappers.len();
        Outcome {
            seed,
            hash,
            trace,
            violations,
            wrappers,
            lives: drive.lives,
        }
    })
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Death { heard: bool },
    Stop,
    ClockStep(i64),
    CutOff { machine: usize, lasts: Duration },
    KillWrapper,
    KillRun,
    KillMachine,
    RunNow,
}

struct Drive {
    world: Arc<World>,
    died: mpsc::UnboundedReceiver<u64>,
    jobs: watch::Sender<Arc<JobSet>>,
    /// What was in force during the storm.
    set: Arc<JobSet>,
    happenings: Vec<(Duration, Happening)>,
    storm: Duration,
    lives: u64,
    /// When the next server begins, while there is none.
    boot_at: Option<Instant>,
}

/// A configuration of one or two jobs.
fn configuration(dice: &mut Dice) -> JobSet {
    let mut text = String::from("saltpeter_config:\n  reconnect_grace: 30\n");
    for number in 0..dice.between(1, 3) {
        let every = dice.pick(&[7, 10, 15, 20, 30]);
        let overlap = dice.pick(&["skip", "queue", "allow", "replace"]);
        let missed = dice.pick(&["skip", "once", "all"]);
        let timeout = dice.pick(&[5, 12, 3600]);
        let _ = write!(
            text,
            "job{number}:\n  schedule: '*/{every} * * * * *'\n  utc: true\n  command: work\n  targets: '*'\n  \
             overlap: {overlap}\n  missed: {missed}\n  timeout: {timeout}\n"
        );
        if dice.one_in(3) {
            let _ = write!(text, "  retries: {}\n  retry_delay: 2\n", dice.between(1, 3));
        }
        if dice.one_in(3) {
            text.push_str("  batch_size: 1\n");
        }
    }
    load(text)
}

fn load(text: String) -> JobSet {
    let change = FileChange::Content(text.into_bytes());
    let set = Loader::new(chrono_tz::UTC).apply(vec![("jobs.yaml".to_owned(), change)], BEGIN);
    assert!(!set.has_errors(), "{:?}", set.problems);
    set
}

impl Drive {
    fn new(world: Arc<World>, died: mpsc::UnboundedReceiver<u64>) -> Self {
        let (set, happenings, storm) = {
            let mut dice = world.dice();
            let set = Arc::new(configuration(&mut dice));
            let storm = dice.millis(30_000, 90_000);
            let mut happenings: Vec<(Duration, Happening)> = (0..dice.between(2, 12))
                .map(|_| {
                    let at = dice.millis(500, storm.as_millis() as u64);
                    let what = match dice.between(0, 16) {
                        0..2 => Happening::Death {
                            heard: !dice.one_in(2),
                        },
                        2 => Happening::Stop,
                        3 => Happening::ClockStep(dice.between(1, 200_000) as i64),
                        4 => Happening::ClockStep(-(dice.between(1, 200_000) as i64)),
                        5..8 => Happening::CutOff {
                            machine: dice.between(0, 3) as usize,
                            lasts: dice.millis(2000, 90_000),
                        },
                        8..10 => Happening::KillWrapper,
                        10..13 => Happening::KillRun,
                        13 => Happening::KillMachine,
                        _ => Happening::RunNow,
                    };
                    (at, what)
                })
                .collect();
            happenings.sort_by_key(|(at, _)| *at);
            (set, happenings, storm)
        };
        for job in set.jobs.values() {
            world.note(format_args!("{:?}", job.raw));
        }
        Self {
            world,
            died,
            jobs: watch::channel(Arc::clone(&set)).0,
            set,
            happenings,
            storm,
            lives: 0,
            boot_at: None,
        }
    }

    async fn run(&mut self) {
        let begin = Instant::now();
        self.boot().await;
        for (at, what) in std::mem::take(&mut self.happenings) {
            self.until(begin + at).await;
            self.let_happen(what).await;
        }
        self.until(begin + self.storm).await;
        self.world.note(format_args!("calm"));
        self.world.calm();
        self.world.machines().heal();
        // Long enough for a server that has just begun to write down what is due.
        let mut lives = 0;
        while lives != self.lives || self.world.server().is_none() {
            lives = self.lives;
            self.until(Instant::now() + SETTLED).await;
        }
        let planned_until = self.world.clock.now() - SLOW;
        self.jobs.send_replace(Arc::new(load(
            "saltpeter_config:\n  reconnect_grace: 30\n".to_owned(),
        )));
        // A kill that was answered lands by itself; everything else is killed now.
        self.kill_the_rest().await;
        let until = Instant::now() + CALM;
        while !check::all_over(&self.world) && Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.kill_the_rest().await;
        }
        check::end(&self.world, &self.set, planned_until);
    }

    /// Lets time pass, and a server that has died begin again.
    async fn until(&mut self, at: Instant) {
        loop {
            tokio::select! {
                biased;
                died = self.died.recv() => {
                    if died == Some(self.lives) {
                        let down = self.world.dice().millis(50, 25_000);
                        self.boot_at = Some(Instant::now() + down);
                    }
                }
                () = sleep_until(self.boot_at) => self.boot().await,
                () = tokio::time::sleep_until(at) => return,
            }
        }
    }

    /// Starts a server, and another one when it dies while starting.
    async fn boot(&mut self) {
        self.boot_at = None;
        loop {
            self.lives += 1;
            let life = Life::new(self.lives);
            *self.world.life.lock().unwrap() = Some(Arc::clone(&life));
            let booting = life.boot(&self.world, self.jobs.subscribe());
            tokio::select! {
                biased;
                () = booting => return,
                // Any message is of this life: that of the one before has been taken.
                _ = self.died.recv() => {
                    let down = self.world.dice().millis(50, 5000);
                    tokio::time::sleep(down).await;
                }
            }
        }
    }

    async fn let_happen(&mut self, what: Happening) {
        let world = Arc::clone(&self.world);
        world.note(format_args!("happens: {what:?}"));
        let server = world.server();
        match what {
            Happening::Death { heard } => {
                if let Some(life) = server {
                    life.die(&world, heard);
                }
            }
            Happening::Stop => {
                if let Some(life) = server {
                    tokio::spawn(async move { life.stop(&world).await });
                }
            }
            Happening::ClockStep(by) => world.step_clock(by),
            Happening::CutOff { machine: at, lasts } => {
                let until = Instant::now() + lasts;
                world.machines().cut_off(&machine(MACHINES[at]), until);
            }
            Happening::KillWrapper => self.kill_wrapper(),
            Happening::KillRun => {
                if let Some(run) = self.some_run() {
                    self.kill(run, None);
                }
            }
            Happening::KillMachine => {
                let at = world.dice().between(0, 3) as usize;
                if let Some(run) = self.some_run() {
                    self.kill(run, Some(at));
                }
            }
            Happening::RunNow => {
                let jobs: Vec<JobName> = self.set.jobs.keys().cloned().collect();
                let at = world.dice().between(0, jobs.len() as u64) as usize;
                let job = &self.set.jobs[&jobs[at]];
                let start = StartRun {
                    job: job.name.clone(),
                    spec: Arc::new(job.freeze(&self.set.settings)),
                    cause: RunCause::Manual {
                        by: "op".to_owned(),
                    },
                    only: None,
                    reconnect_grace: job.reconnect_grace(&self.set.settings),
                };
                let Some(runs) = server.and_then(|life| life.runs().cloned()) else {
                    return;
                };
                tokio::spawn(async move {
                    match runs.start(start).await {
                        Ok(run) if world.disk().run(&run).is_none() => {
                            world.violation(format_args!("{run} was answered and is not stored"));
                        }
                        Ok(_)
                        | Err(StartError::SkippedOverlap { .. } | StartError::ShuttingDown) => {}
                        Err(error) => world.note(format_args!("run now: {error}")),
                    }
                });
            }
        }
    }

    fn some_run(&self) -> Option<RunId> {
        let disk = self.world.disk();
        let going: Vec<&RunId> = disk
            .runs
            .iter()
            .filter(|run| !run.state().is_ended())
            .map(saltpeter_domain::run::Run::id)
            .collect();
        if going.is_empty() {
            return None;
        }
        let at = self.world.dice().between(0, going.len() as u64) as usize;
        Some(going[at].clone())
    }

    fn kill(&self, run: RunId, at: Option<usize>) {
        let world = Arc::clone(&self.world);
        let Some(runs) = world.server().and_then(|life| life.runs().cloned()) else {
            return;
        };
        tokio::spawn(async move {
            let only = at.map(|at| machine(MACHINES[at]));
            match runs.kill(&run, only.clone(), "op".to_owned()).await {
                Ok(()) => {
                    world.note(format_args!("kill of {run} {only:?} is answered"));
                    let disk = world.disk();
                    let stored = disk.run(&run).is_some_and(|run| match &only {
                        None => run.head().kill.is_some(),
                        Some(id) => run.machines().get(id).is_some_and(|one| one.kill.is_some()),
                    });
                    if !stored {
                        world.violation(format_args!("a kill of {run} is answered and not stored"));
                    }
                }
                Err(KillError::Store(error)) => world.note(format_args!("kill: {error}")),
                Err(_) => {}
            }
        });
    }

    fn kill_wrapper(&self) {
        let mut machines = self.world.machines();
        let mut going: Vec<_> = machines
            .wrappers
            .values_mut()
            .filter(|one| one.left.is_none() && !one.killed)
            .collect();
        if going.is_empty() {
            return;
        }
        let at = self.world.dice().between(0, going.len() as u64) as usize;
        let one = &mut going[at];
        self.world
            .note(format_args!("SIGKILL to a wrapper of {} {}", one.run, one.machine));
        one.killed = true;
        if let Some(task) = &one.task {
            task.abort();
        }
    }

    /// Kills what nobody has killed so far.
    async fn kill_the_rest(&self) {
        let rest: Vec<RunId> = {
            let disk = self.world.disk();
            let rest = disk
                .runs
                .iter()
                .filter(|run| !run.state().is_ended() && run.head().kill.is_none());
            rest.map(|run| run.id().clone()).collect()
        };
        let runs = self.world.server().and_then(|life| life.runs().cloned());
        let Some(runs) = runs else {
            return self.world.violation(format_args!("no server in the calm"));
        };
        for run in rest {
            let _ = runs.kill(&run, None, "the end".to_owned()).await;
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The instants of a job after `from` and up to `to`.
pub(crate) fn instants(set: &JobSet, job: &JobName, from: UnixMillis, to: UnixMillis) -> Vec<UnixMillis> {
    let job = &set.jobs[job];
    let zone = job.schedule.zone(set.default_zone);
    let after = job.schedule.after(from, zone);
    after.take_while(|at| *at <= to).collect()
}
