//! A chaos run: carries a plan out, lets everything come to its end, and has it checked.

use crate::plan::{Fault, Plan};
use crate::trial::{ANSWER_WITHIN, Outcome, Trial, wall};
use anyhow::Result;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Something that is due.
#[derive(Debug, Clone, Copy)]
enum Due {
    Begin(Fault),
    /// A fault that lasts is over.
    End(Fault),
    ServerComes,
}

/// Asked of the storm by whoever acts beside it.
#[derive(Debug, Clone, Copy)]
enum Wish {
    KillServer,
}

/// Carries out `plan`. With `keep`, the directory stays in any case.
pub async fn run(plan: &Plan, keep: bool) -> Result<Outcome> {
    let trial = Trial::begin(&format!("c{}", plan.seed), plan.clone()).await?;
    let mut storm = Storm {
        due: plan
            .faults
            .iter()
            .map(|planned| (planned.at, Due::Begin(planned.fault)))
            .collect(),
        begun: Instant::now(),
        length: plan.length,
        down: false,
        trial,
    };
    storm.blow().await?;
    storm.trial.conclude(keep).await
}

struct Storm {
    due: Vec<(Duration, Due)>,
    begun: Instant,
    length: Duration,
    /// There is no server.
    down: bool,
    trial: Trial,
}

impl Storm {
    async fn blow(&mut self) -> Result<()> {
        let (wishes, mut wished) = mpsc::unbounded_channel();
        loop {
            let next = self.due.iter().enumerate().min_by_key(|(_, (at, _))| *at);
            let next = next.map(|(index, (at, _))| (index, *at));
            let until = next.map_or(self.length, |(_, at)| at.min(self.length));
            tokio::select! {
                () = sleep_until(self.begun + until) => {
                    match next.filter(|(_, at)| *at < self.length) {
                        Some((index, _)) => {
                            let (_, due) = self.due.swap_remove(index);
                            self.take(due, &wishes).await?;
                        }
                        None => break,
                    }
                }
                Some(Wish::KillServer) = wished.recv() => {
                    let fault = Fault::KillServer { down: Duration::ZERO, after_tick: None };
                    self.take(Due::Begin(fault), &wishes).await?;
                }
            }
        }
        Ok(())
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.due.push((self.begun.elapsed() + after, due));
    }

    async fn take(&mut self, due: Due, wishes: &mpsc::UnboundedSender<Wish>) -> Result<()> {
        match due {
            Due::ServerComes => {
                self.down = false;
                self.trial.stage.start()?;
            }
            Due::End(fault) => self.end(fault)?,
            Due::Begin(fault) => {
                let needs_server = matches!(
                    fault,
                    Fault::KillServer { .. } | Fault::StopServer { .. } | Fault::RunAndKill { .. }
                );
                if needs_server && self.down {
                    return Ok(());
                }
                if self.begin(fault, wishes).await? {
                    self.trial.deeds.injected(fault);
                }
            }
        }
        Ok(())
    }

    /// False when there was nothing to be done to.
    async fn begin(&mut self, fault: Fault, wishes: &mpsc::UnboundedSender<Wish>) -> Result<bool> {
        let proxy = &self.trial.stage.proxy;
        match fault {
            Fault::KillServer { down, after_tick } => {
                if let Some(after) = after_tick {
                    let now = wall() + self.trial.stage.faults().clock_offset_ms;
                    let to_tick = Duration::from_millis(1000 - now.rem_euclid(1000) as u64);
                    tokio::time::sleep(to_tick + after).await;
                }
                self.trial.stage.kill().await?;
                self.down = true;
                self.later(down, Due::ServerComes);
            }
            Fault::StopServer { down } => {
                self.trial.stage.stop().await?;
                self.down = true;
                self.later(down, Due::ServerComes);
            }
            Fault::KillWrapper { pick } => {
                let wrappers = crate::processes::wrappers(proxy.port);
                let Some(index) = pick.checked_rem(wrappers.len() as u64) else {
                    return Ok(false);
                };
                let wrapper = &wrappers[index as usize];
                self.trial.deeds.kills_wrapper(wrapper.place.clone());
                crate::processes::kill(wrapper.pid);
            }
            Fault::Cut { of } => return Ok(proxy.cut(of) > 0),
            Fault::HalfOpen { of } => return Ok(proxy.half_open(of) > 0),
            Fault::BlackHole { lasts } => {
                proxy.set(|weather| weather.stalled = true);
                self.later(lasts, Due::End(fault));
            }
            Fault::Refuse { lasts } => {
                proxy.set(|weather| weather.refuses = true);
                self.later(lasts, Due::End(fault));
            }
            Fault::Delay { by, lasts } => {
                proxy.set(|weather| weather.delay = by);
                self.later(lasts, Due::End(fault));
            }
            Fault::StepClock { by } => {
                let before = self.trial.stage.faults().clock_offset_ms;
                self.trial
                    .stage
                    .set_faults(|faults| faults.clock_offset_ms += by)?;
                self.trial.deeds.clock_set(before, before + by);
            }
            Fault::SlowDisk { by, lasts } => {
                let by = by.as_millis() as u64;
                self.trial
                    .stage
                    .set_faults(|faults| faults.commit_delay_ms = by)?;
                self.later(lasts, Due::End(fault));
            }
            Fault::FullDisk { lasts } => {
                self.trial
                    .stage
                    .set_faults(|faults| faults.commit_failure = Some("full"))?;
                self.later(lasts, Due::End(fault));
            }
            Fault::RunAndKill {
                then,
                and_kill_server,
            } => {
                let job = self.trial.stage.job(if and_kill_server {
                    "stubborn"
                } else {
                    "by-hand"
                });
                let (client, hand) = (self.trial.stage.client(), self.trial.deeds.hand());
                let wishes = wishes.clone();
                tokio::spawn(async move {
                    let Ok(Ok(run)) = timeout(ANSWER_WITHIN, client.run_now(&job)).await else {
                        return;
                    };
                    hand.started(run.as_str());
                    tokio::time::sleep(then).await;
                    if hand.kill(client, run.as_str()).await && and_kill_server {
                        // Nobody listens any more when it is over.
                        let _ = wishes.send(Wish::KillServer);
                    }
                });
            }
        }
        Ok(true)
    }

    fn end(&mut self, fault: Fault) -> Result<()> {
        let proxy = &self.trial.stage.proxy;
        match fault {
            Fault::BlackHole { .. } => {
                // What was held back must not pass: it would only be late.
                proxy.cut(1);
                proxy.set(|weather| weather.stalled = false);
            }
            Fault::Refuse { .. } => proxy.set(|weather| weather.refuses = false),
            Fault::Delay { .. } => proxy.set(|weather| weather.delay = Duration::ZERO),
            Fault::SlowDisk { .. } => self
                .trial
                .stage
                .set_faults(|faults| faults.commit_delay_ms = 0)?,
            Fault::FullDisk { .. } => self
                .trial
                .stage
                .set_faults(|faults| faults.commit_failure = None)?,
            _ => {}
        }
        Ok(())
    }
}
