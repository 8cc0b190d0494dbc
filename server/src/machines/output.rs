//! What a connection needs of the output log, as a port: a simulation of the whole has a log of its own.

use crate::store::output::{AppendError, Chunk, Durable, OutputError, OutputLog, OutputStream};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::sync::Arc;
use tokio::sync::watch;

/// Where machines' output goes.
pub trait Output: Send + Sync + 'static {
    /// The output of one attempt of a machine of a run.
    fn of<'a>(
        &'a self,
        run: &'a RunId,
        part: (&'a MachineId, Attempt),
    ) -> BoxFuture<'a, Result<Arc<dyn MachineOutput>, OutputError>>;
}

/// One machine's output in a run, for whoever appends to it. The methods are those of [`OutputStream`].
pub trait MachineOutput: Send + Sync + 'static {
    /// How far it is durable.
    fn durable(&self) -> Durable;
    /// Up to where pieces have been taken, durable or on their way.
    fn taken(&self) -> Durable;
    /// Follows how far it is durable.
    fn watch(&self) -> watch::Receiver<Durable>;
    /// Takes a chunk that continues it; see [`OutputStream::submit`].
    fn submit(&self, chunk: Chunk) -> BoxFuture<'_, Result<u64, AppendError>>;
    /// Takes the text of a version 1 message; see [`OutputStream::submit_v1`].
    fn submit_v1(
        &self,
        seq: Option<u64>,
        chunk: Chunk,
    ) -> BoxFuture<'_, Result<bool, AppendError>>;
}

impl Output for OutputLog {
    fn of<'a>(
        &'a self,
        run: &'a RunId,
        part: (&'a MachineId, Attempt),
    ) -> BoxFuture<'a, Result<Arc<dyn MachineOutput>, OutputError>> {
        async move {
            let stream = self.stream(run, part).await?;
            Ok(Arc::new(stream) as Arc<dyn MachineOutput>)
        }
        .boxed()
    }
}

impl MachineOutput for OutputStream {
    fn durable(&self) -> Durable {
        self.durable()
    }

    fn taken(&self) -> Durable {
        self.taken()
    }

    fn watch(&self) -> watch::Receiver<Durable> {
        self.watch()
    }

    fn submit(&self, chunk: Chunk) -> BoxFuture<'_, Result<u64, AppendError>> {
        self.submit(chunk).boxed()
    }

    fn submit_v1(
        &self,
        seq: Option<u64>,
        chunk: Chunk,
    ) -> BoxFuture<'_, Result<bool, AppendError>> {
        self.submit_v1(seq, chunk).boxed()
    }
}
