//! What connections need of the runs.

use crate::runs::{Gone, HelloAnswer, MachineInput, RunHandle, Runs, ToMachine};
use saltpeter_domain::run::Speaker;
use saltpeter_protocol::machine::v2::Progress;
use saltpeter_protocol::{MachineId, RunId};
use std::future::Future;
use tokio::sync::mpsc;

/// Finds runs.
pub trait RunDesk: Clone + Send + Sync + 'static {
    /// A run that can be talked to.
    type Run: RunLine;

    /// The run of that name; `None` when there is none. [`Gone`] when that cannot be found out now.
    fn find(&self, run: &RunId) -> impl Future<Output = Result<Option<Self::Run>, Gone>> + Send;
}

/// Talks to one run.
pub trait RunLine: Clone + Send + Sync + 'static {
    /// A wrapper has connected. What the run has to tell it later comes through `outbox`, never waiting for it.
    fn hello(
        &self,
        machine: MachineId,
        speaker: Speaker,
        progress: Progress,
        outbox: mpsc::Sender<ToMachine>,
    ) -> impl Future<Output = Result<HelloAnswer, Gone>> + Send;

    /// Reports something about a machine.
    fn send(&self, input: MachineInput) -> impl Future<Output = ()> + Send;
}

impl RunDesk for Runs {
    type Run = RunHandle;

    async fn find(&self, run: &RunId) -> Result<Option<RunHandle>, Gone> {
        let unreadable = |error| {
            tracing::error!(%run, %error, "a wrapper asks for a run that cannot be read");
            Gone
        };
        if let Some(found) = self.handle(run).await.map_err(unreadable)? {
            return Ok(Some(found));
        }
        // A wrapper that hears that its run is not known drops its output: so only when that is certain.
        match self.detail(run).await.map_err(unreadable)? {
            Some(_) => Err(Gone),
            None => Ok(None),
        }
    }
}

impl RunLine for RunHandle {
    async fn hello(
        &self,
        machine: MachineId,
        speaker: Speaker,
        progress: Progress,
        outbox: mpsc::Sender<ToMachine>,
    ) -> Result<HelloAnswer, Gone> {
        Self::hello(self, machine, speaker, progress, outbox).await
    }

    async fn send(&self, input: MachineInput) {
        Self::send(self, input).await;
    }
}
