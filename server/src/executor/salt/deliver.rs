//! Bringing the wrapper to machines that lack it. It is put together beside its place, verified there and moved in at
//! once, so that runs that are going on keep theirs, and two that bring it at a time do not meet.

use super::binaries::Binary;
use super::launch::{Bare, Batch, own};
use super::script::{self, Bring};
use super::verdict::Verdict;
use crate::executor::LaunchNews;
use crate::salt::{Call, Target};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use saltpeter_protocol::MachineId;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of the wrapper that are handed over in a call: in base64, even what cannot be compressed stays below the
/// megabyte that Salt's event bus takes.
const PIECE: usize = 700 * 1024;
/// How long machines may take to remove what is left over.
const REMOVE_WITHIN: Duration = Duration::from_secs(5);

impl Batch<'_> {
    /// Brings each of `bare` the wrapper for its kind, and starts it.
    pub(super) async fn bring(&self, bare: Vec<Bare>) {
        let mut kinds: BTreeMap<String, Vec<MachineId>> = BTreeMap::new();
        for (machine, kind) in bare {
            kinds.entry(kind).or_default().push(machine);
        }
        let bringing = kinds.into_iter().filter_map(|(kind, machines)| {
            let binary = self
                .binaries
                .iter()
                .find(|binary| binary.expected.kind == kind)?;
            Some(self.bring_one(binary, machines))
        });
        futures::future::join_all(bringing).await;
    }

    async fn bring_one(&self, binary: &Binary, machines: Vec<MachineId>) {
        tracing::info!(
            kind = %binary.expected.kind,
            machines = machines.len(),
            "bringing the wrapper to {}",
            self.path
        );
        let new = format!("{}.new-{:016x}", self.path, rand::random::<u64>());
        let (source, published) = (Arc::clone(&self.source), binary.clone());
        let publishing = tokio::task::spawn_blocking(move || source.publish(&published));
        let left = if publishing.await.unwrap_or(false) {
            let outcome = self.start_with(&machines, Bring::Served(&new)).await;
            self.remove(&outcome.failed, &new).await;
            outcome.not_served
        } else {
            machines
        };
        if !left.is_empty() {
            self.hand_over(binary, left, &new).await;
        }
    }

    /// Hands the wrapper over in pieces, as Salt's file server does not have it, and starts it.
    async fn hand_over(&self, binary: &Binary, machines: Vec<MachineId>, new: &str) {
        let path = binary.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        let bytes = match read {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return self.unreadable(binary, machines, &error.to_string()).await,
            Err(error) => return self.unreadable(binary, machines, &error.to_string()).await,
        };
        let mut machines = machines;
        for piece in bytes.chunks(PIECE) {
            let kwargs = script::piece(self.path, new, packed(piece));
            let outcome = self.run(&machines, kwargs).await;
            machines.retain(|machine| outcome.taken.contains(machine));
            if machines.is_empty() {
                return;
            }
        }
        let outcome = self.start_with(&machines, Bring::Assembled(new)).await;
        self.remove(&outcome.failed, new).await;
    }

    async fn unreadable(&self, binary: &Binary, machines: Vec<MachineId>, error: &str) {
        for machine in machines {
            let message = format!(
                "The server's wrapper {} cannot be read: {error}",
                binary.path.display()
            );
            self.failed(machine, message).await;
        }
    }

    async fn start_with(&self, machines: &[MachineId], bring: Bring<'_>) -> Done {
        let kwargs = script::start(&self.launch, self.path, &self.expected(), bring);
        self.run(machines, kwargs).await
    }

    /// Runs a step on `machines` and hears all of them out. What failed is said.
    async fn run(&self, machines: &[MachineId], kwargs: Map<String, Value>) -> Done {
        self.tell(LaunchNews::GoesOn(machines.to_vec())).await;
        let mut done = Done::default();
        let mut waiting: BTreeSet<MachineId> = machines.iter().cloned().collect();
        let Some(mut called) = self.call(&mut waiting, kwargs).await else {
            return done;
        };
        while !waiting.is_empty()
            && let Some(heard) = called.returns.recv().await
        {
            let Some(returned) = own(&mut waiting, heard) else {
                continue;
            };
            match Verdict::of(&returned, self.path) {
                Verdict::Started => {
                    done.taken.insert(returned.machine);
                }
                Verdict::NotServed => done.not_served.push(returned.machine),
                // It was brought just now, and is another already.
                Verdict::Bring { .. } => {}
                Verdict::Failed(message) => {
                    done.failed.push(returned.machine.clone());
                    self.failed(returned.machine, message).await;
                }
            }
        }
        done
    }

    /// Removes what a failure has left behind, as far as the machines can be reached.
    async fn remove(&self, machines: &[MachineId], new: &str) {
        if machines.is_empty() {
            return;
        }
        let call = Call {
            target: Target::list(machines),
            function: "cmd.run_all",
            args: Vec::new(),
            kwargs: script::remove(new),
            jid: None,
            wait: REMOVE_WITHIN,
        };
        if let Err(error) = self.salt.call(call).await {
            tracing::warn!(
                "{new} may be left over on {} machines: {error}",
                machines.len()
            );
        }
    }
}

/// `piece` as the script takes it.
fn packed(piece: &[u8]) -> String {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = packer.write_all(piece);
    STANDARD.encode(packer.finish().unwrap_or_default())
}

/// What became of a step.
#[derive(Default)]
struct Done {
    /// It went well there.
    taken: BTreeSet<MachineId>,
    /// Salt's file server had nothing for them.
    not_served: Vec<MachineId>,
    /// It went wrong there.
    failed: Vec<MachineId>,
}
