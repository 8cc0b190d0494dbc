//! The output log of one life, on the simulated disk. Pieces are committed in groups, and known as durable after that.

use crate::disk::DEATH;
use crate::life::Life;
use crate::world::{Mutation, World};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use saltpeter_protocol::api::OutputLength;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::{Attempt, MachineId, RunId};
use saltpeter_server::machines::{MachineOutput, Output};
use saltpeter_server::store::output::{AppendError, Chunk, Durable, OutputError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, watch};

type Key = (RunId, MachineId, Attempt);

struct Piece {
    cell: Arc<Cell>,
    bytes: Vec<u8>,
}

struct Cell {
    key: Key,
    taken: Mutex<u64>,
    durable: watch::Sender<Durable>,
    queue: mpsc::UnboundedSender<Piece>,
    doubling: bool,
}

pub(crate) struct SimOutput {
    world: Arc<World>,
    life: Arc<Life>,
    cells: Mutex<BTreeMap<Key, Arc<Cell>>>,
    queue: mpsc::UnboundedSender<Piece>,
}

fn durable(bytes: u64) -> Durable {
    Durable {
        length: OutputLength { bytes, lines: 0 },
        v1_seq: None,
        ..Durable::default()
    }
}

impl SimOutput {
    pub(crate) fn start(world: Arc<World>, life: Arc<Life>) -> Self {
        let (queue, pieces) = mpsc::unbounded_channel();
        tokio::spawn(write(Arc::clone(&world), Arc::clone(&life), pieces));
        Self {
            world,
            life,
            cells: Mutex::default(),
            queue,
        }
    }
}

async fn write(world: Arc<World>, life: Arc<Life>, mut pieces: mpsc::UnboundedReceiver<Piece>) {
    while let Some(first) = pieces.recv().await {
        let mut group = vec![first];
        while let Ok(piece) = pieces.try_recv() {
            group.push(piece);
        }
        let publish = |group: &[Piece]| {
            for Piece { cell, bytes } in group {
                cell.durable
                    .send_modify(|durable| durable.length.bytes += bytes.len() as u64);
            }
        };
        if world.is(Mutation::AckBeforeCommit) {
            publish(&group);
        }
        let pause = {
            let mut dice = world.dice();
            if dice.one_in(30) {
                dice.millis(500, 8000)
            } else {
                dice.millis(1, 15)
            }
        };
        tokio::time::sleep(pause).await;
        may_die(&world, &life).await;
        {
            let mut disk = world.disk();
            for Piece { cell, bytes } in &group {
                let kept = disk.output.entry(cell.key.clone()).or_default();
                kept.extend_from_slice(bytes);
                world.note(format_args!(
                    "output {} {} +{} = {}",
                    cell.key.0,
                    cell.key.1,
                    bytes.len(),
                    kept.len()
                ));
            }
        }
        may_die(&world, &life).await;
        if !world.is(Mutation::AckBeforeCommit) {
            publish(&group);
        }
    }
}

async fn may_die(world: &World, life: &Life) {
    if life.is_alive() && world.breaks(DEATH) {
        life.die(world, true);
    }
    life.gate().await;
}

impl Output for SimOutput {
    fn of<'a>(
        &'a self,
        run: &'a RunId,
        (machine, attempt): (&'a MachineId, Attempt),
    ) -> BoxFuture<'a, Result<Arc<dyn MachineOutput>, OutputError>> {
        async move {
            self.life.gate().await;
            let key = (run.clone(), machine.clone(), attempt);
            let mut cells = self.cells.lock().unwrap();
            let cell = cells.entry(key.clone()).or_insert_with(|| {
                let kept = self.world.disk().output.get(&key).map_or(0, Vec::len) as u64;
                Arc::new(Cell {
                    key,
                    taken: Mutex::new(kept),
                    durable: watch::Sender::new(durable(kept)),
                    queue: self.queue.clone(),
                    doubling: self.world.is(Mutation::TakeTwice),
                })
            });
            Ok(Arc::new(Taker(Arc::clone(cell))) as Arc<dyn MachineOutput>)
        }
        .boxed()
    }
}

struct Taker(Arc<Cell>);

impl MachineOutput for Taker {
    fn durable(&self) -> Durable {
        *self.0.durable.borrow()
    }

    fn taken(&self) -> Durable {
        durable(*self.0.taken.lock().unwrap())
    }

    fn watch(&self) -> watch::Receiver<Durable> {
        self.0.durable.subscribe()
    }

    fn submit(&self, chunk: Chunk) -> BoxFuture<'_, Result<u64, AppendError>> {
        let cell = &self.0;
        let take = || {
            let end = chunk.offset + u64::from(chunk.raw_len);
            let mut taken = cell.taken.lock().unwrap();
            if chunk.offset > *taken {
                return Err(AppendError::OutOfOrder {
                    expected: *taken,
                    received: chunk.offset,
                });
            }
            if end <= *taken && !(cell.doubling && end == *taken) {
                return Ok(*taken);
            }
            let raw = match chunk.encoding {
                Encoding::Raw => chunk.payload.to_vec(),
                Encoding::Zstd => zstd::bulk::decompress(&chunk.payload, chunk.raw_len as usize)
                    .map_err(|e| AppendError::BadPayload(e.to_string()))?,
            };
            let known = if cell.doubling {
                0
            } else {
                (*taken - chunk.offset) as usize
            };
            let bytes = raw[known..].to_vec();
            *taken = end;
            let piece = Piece {
                cell: Arc::clone(cell),
                bytes,
            };
            cell.queue
                .send(piece)
                .map_err(|_| AppendError::Log(OutputError::Closed))?;
            Ok(end)
        };
        std::future::ready(take()).boxed()
    }

    fn submit_v1(&self, _: Option<u64>, _: Chunk) -> BoxFuture<'_, Result<bool, AppendError>> {
        unreachable!("there are no version 1 wrappers in the twin")
    }
}
