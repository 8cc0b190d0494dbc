//! An executor that finds three machines and starts wrappers on them, more or less.

use crate::life::{Life, key};
use crate::world::World;
use crate::wrapper;
use saltpeter_domain::run::{LogEntry, Resolution};
use saltpeter_protocol::launch::{DEFAULT_RETAIN, Launch, WrapperLogLevel};
use saltpeter_protocol::{MachineId, MachineState};
use saltpeter_server::runs::{Dispatch, Dispatched, LaunchOrder, ResolveOrder, RunHandle};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

pub(crate) const MACHINES: [&str; 3] = ["m1", "m2", "m3"];

pub(crate) struct SimDispatch {
    world: Arc<World>,
    life: Arc<Life>,
}

/// What becomes of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Starts,
    StartsTwice,
    IsLost,
    Fails,
    /// The executor says that it failed, and it did not.
    FailsAndStarts,
}

impl SimDispatch {
    pub(crate) fn new(world: Arc<World>, life: Arc<Life>) -> Self {
        Self { world, life }
    }
}

impl Dispatch for SimDispatch {
    fn resolve(&self, order: ResolveOrder, reply: RunHandle) {
        let (world, life) = (Arc::clone(&self.world), Arc::clone(&self.life));
        tokio::spawn(async move {
            let (pause, fails, silent, few) = {
                let mut dice = world.dice();
                let pause = dice.millis(0, 1500);
                (pause, dice.one_in(40), dice.one_in(15), dice.one_in(2))
            };
            tokio::time::sleep(pause).await;
            life.gate().await;
            if fails && world.is_storm() {
                let message = "no such nodegroup".to_owned();
                return reply.report(Dispatched::ResolveFailed { message }).await;
            }
            let mut machines: Vec<MachineId> = MACHINES.iter().copied().map(machine).collect();
            let mut resolution = Resolution::default();
            if few {
                machines.truncate(1);
            }
            if silent {
                resolution.silent.extend(machines.pop());
            }
            machines.retain(|machine| {
                order.only.as_ref().is_none_or(|only| only.contains(machine))
            });
            resolution.machines = machines;
            reply.report(Dispatched::Resolved(resolution)).await;
        });
    }

    fn launch(&self, order: LaunchOrder, reply: RunHandle) {
        if !self.life.is_alive() {
            return;
        }
        for machine in &order.machines {
            let written = {
                let disk = self.world.disk();
                let known = disk.run(&order.run).and_then(|run| run.machines().get(machine));
                matches!(known.map(|known| &known.state), Some(MachineState::Starting { .. }))
            };
            if !written {
                self.world.violation(format_args!(
                    "{} {machine}: launched before that was written down",
                    order.run
                ));
            }
            let (fate, pause) = {
                let mut dice = self.world.dice();
                let fate = match dice.between(0, 60) {
                    0 => Fate::IsLost,
                    1 => Fate::Fails,
                    2 => Fate::FailsAndStarts,
                    3..7 => Fate::StartsTwice,
                    _ => Fate::Starts,
                };
                let pause = if dice.one_in(15) {
                    dice.millis(5000, 45_000)
                } else {
                    dice.millis(5, 400)
                };
                (fate, pause)
            };
            self.world
                .note(format_args!("launch {} {machine} {fate:?}", order.run));
            let launch = Launch {
                url: "ws://twin".to_owned(),
                job: order.job.clone(),
                run: order.run.clone(),
                machine: machine.clone(),
                token: Some(key().token(&order.run)),
                tls_pin: None,
                log_level: WrapperLogLevel::Off,
                log_dir: None,
                retain: DEFAULT_RETAIN,
                command: None,
            };
            // What was asked for happens, whether the server lives or not; only the answer needs somebody to hear it.
            let (world, life, reply) = (
                Arc::clone(&self.world),
                Arc::clone(&self.life),
                reply.clone(),
            );
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                let starts = match fate {
                    Fate::Starts | Fate::FailsAndStarts => 1,
                    Fate::StartsTwice => 2,
                    Fate::IsLost | Fate::Fails => 0,
                };
                let machine = launch.machine.clone();
                for _ in 0..starts {
                    wrapper::spawn(&world, launch.clone());
                    let pause = world.dice().millis(0, 300);
                    tokio::time::sleep(pause).await;
                }
                if matches!(fate, Fate::Fails | Fate::FailsAndStarts) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    life.gate().await;
                    let message = "no route to host".to_owned();
                    reply
                        .report(Dispatched::LaunchFailed { machine, message })
                        .await;
                }
            });
        }
    }

    fn log(&self, _: LogEntry) {}
}
