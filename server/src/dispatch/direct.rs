//! Commands that the executor runs itself (`use_wrapper: false`). Towards the run, this is their wrapper: it says
//! hello, tells that they live and how they end, and carries kills the other way. Its number is that of the executor's
//! call, which is so stored before the call is made, and found again after a restart.

use super::Inner;
use crate::executor::{Before, Direct, DirectNews};
use crate::runs::{HelloAnswer, LaunchOrder, MachineInput, RunHandle, ToMachine};
use crate::store::output::{Chunk, Part};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{FuturesUnordered, SelectAll};
use saltpeter_domain::run::{MachineExit, Speaker};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{Encoding, Progress, WrapperId};
use saltpeter_protocol::{Attempt, MachineId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// News of commands that may wait to be passed on.
const NEWS: usize = 256;
/// How often the run is told that commands live.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Words of the run to a machine that may wait.
const ORDERS: usize = 4;
/// Bytes of output that are written at a time.
const CHUNK: usize = 512 * 1024;

/// The machines of one call.
struct Group {
    number: u32,
    before: Before,
    machines: Vec<MachineId>,
}

type OrdersOfOne = futures::stream::BoxStream<'static, (MachineId, ToMachine)>;
type Orders = SelectAll<OrdersOfOne>;

impl Inner {
    /// Has the executor run the command of `order`, and takes up what it ran before.
    pub(super) async fn run_direct(&self, order: LaunchOrder, reply: &RunHandle) {
        let groups = groups(&order);
        let running = groups
            .into_iter()
            .map(|group| self.run_group(&order, group, reply));
        futures::future::join_all(running).await;
    }

    async fn run_group(&self, order: &LaunchOrder, group: Group, reply: &RunHandle) {
        let mut orders = Orders::new();
        let mut going = BTreeMap::new();
        for machine in group.machines {
            if let Some((attempt, heard)) = self
                .hello(&machine, group.number, group.before, reply)
                .await
            {
                orders.push(heard);
                going.insert(machine, attempt);
            }
        }
        if going.is_empty() {
            return;
        }
        let (news, mut heard) = mpsc::channel(NEWS);
        let (kill, kills) = mpsc::channel(going.len() * 2);
        let direct = Direct {
            made: order.created,
            number: group.number,
            machines: going.keys().cloned().collect(),
            command: order.spec.command(),
            before: group.before,
            kills,
        };
        let listening = async {
            let mut alive = tokio::time::interval(ALIVE_EVERY);
            let mut taken = false;
            // What machines have come to: told when their output is written, which waits for the disk and holds up nobody else.
            let mut ends = FuturesUnordered::new();
            let mut is_open = true;
            while is_open || !ends.is_empty() {
                tokio::select! {
                    news = heard.recv(), if is_open && ends.len() < NEWS => match news {
                        None => is_open = false,
                        Some(DirectNews::Taken) => {
                            taken = true;
                            self.started(&going, reply).await;
                        }
                        Some(DirectNews::Ended { machine, exit, stdout, stderr }) => {
                            let attempt = going.get(&machine).copied().unwrap_or_default();
                            ends.push(async move {
                                let part = (&machine, attempt).into();
                                self.write(part, &stdout, &stderr, reply).await;
                                let exit = MachineExit::V2(exit);
                                (machine.clone(), MachineInput::Ended { machine, exit })
                            });
                        }
                        Some(DirectNews::Failed(machine, message)) => {
                            let input = MachineInput::CannotStart { machine: machine.clone(), message };
                            pass_on(&machine, input, &mut going, reply).await;
                        }
                        Some(DirectNews::Unreachable(machine, message)) => {
                            let input = MachineInput::WrapperError { machine: machine.clone(), message };
                            pass_on(&machine, input, &mut going, reply).await;
                        }
                    },
                    Some((machine, input)) = ends.next() => {
                        pass_on(&machine, input, &mut going, reply).await;
                    }
                    Some((machine, ToMachine::Kill)) = orders.next() => {
                        // It is said again while nothing comes of it.
                        let _ = kill.try_send(machine);
                    }
                    _ = alive.tick(), if taken => {
                        for machine in going.keys() {
                            reply.send(MachineInput::Heard { machine: machine.clone() }).await;
                        }
                    }
                }
            }
        };
        futures::join!(self.parts.executor.run(direct, news), listening);
    }

    /// Says hello for a machine. `None`: the run has no use for it.
    async fn hello(
        &self,
        machine: &MachineId,
        number: u32,
        before: Before,
        reply: &RunHandle,
    ) -> Option<(Attempt, OrdersOfOne)> {
        let speaker = Speaker::V2(WrapperId(number.into()));
        let progress = match before {
            Before::New | Before::Perhaps => Progress::New,
            // Salt does not tell the process.
            Before::Called => Progress::Started {
                pid: 0,
                at: self.parts.clock.now(),
            },
        };
        let (outbox, mut orders) = mpsc::channel(ORDERS);
        let answer = reply.hello(machine.clone(), speaker, progress, outbox);
        let Ok(HelloAnswer::Welcome { attempt, kill, .. }) = answer.await else {
            return None;
        };
        let pending = kill.then(|| (machine.clone(), ToMachine::Kill));
        let machine = machine.clone();
        let later = futures::stream::poll_fn(move |cx| orders.poll_recv(cx))
            .map(move |order| (machine.clone(), order));
        let orders = futures::stream::iter(pending).chain(later).boxed();
        Some((attempt, orders))
    }

    async fn started(&self, going: &BTreeMap<MachineId, Attempt>, reply: &RunHandle) {
        for machine in going.keys() {
            let started = MachineInput::Started {
                machine: machine.clone(),
                pid: None,
                at: self.parts.clock.now(),
            };
            reply.send(started).await;
        }
    }

    /// Writes a command's output, as it is known at its end. What an earlier life of this server wrote of it is left
    /// out: it is the same.
    async fn write(&self, part: Part<'_>, stdout: &str, stderr: &str, reply: &RunHandle) {
        let mut offset = 0;
        for (stream, text) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            for piece in text.as_bytes().chunks(CHUNK) {
                let chunk = Chunk {
                    offset,
                    stream,
                    at: self.parts.clock.now(),
                    encoding: Encoding::Raw,
                    payload: Bytes::copy_from_slice(piece),
                    raw_len: u32::try_from(piece.len()).unwrap_or(u32::MAX),
                };
                if let Err(error) = self.parts.output.append(reply.run(), part, chunk).await {
                    tracing::error!(run = %reply.run(), ?part, "output could not be written: {error}");
                    return;
                }
                offset += piece.len() as u64;
            }
        }
    }
}

/// Passes on what a machine has come to, once.
async fn pass_on(
    machine: &MachineId,
    input: MachineInput,
    going: &mut BTreeMap<MachineId, Attempt>,
    reply: &RunHandle,
) {
    if going.remove(machine).is_some() {
        reply.send(input).await;
    }
}

/// The calls that the machines of `order` belong to: those of before, and a new one.
fn groups(order: &LaunchOrder) -> Vec<Group> {
    let mut groups: BTreeMap<(u32, bool), Vec<MachineId>> = BTreeMap::new();
    let mut fresh = Vec::new();
    for machine in &order.machines {
        match order.earlier.get(machine) {
            Some(earlier) => {
                let number = u32::try_from(earlier.wrapper.0).unwrap_or_default();
                let group = groups.entry((number, earlier.started)).or_default();
                group.push(machine.clone());
            }
            None => fresh.push(machine.clone()),
        }
    }
    let earlier = groups
        .into_iter()
        .map(|((number, started), machines)| Group {
            number,
            before: if started {
                Before::Called
            } else {
                Before::Perhaps
            },
            machines,
        });
    let fresh = (!fresh.is_empty()).then(|| Group {
        number: rand::random_range(10_000_000..100_000_000),
        before: Before::New,
        machines: fresh,
    });
    earlier.chain(fresh).collect()
}
