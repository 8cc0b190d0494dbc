//! Starting the wrappers of a batch: without the command, and once more with it where a wrapper of the earlier
//! implementation asks for it.

use super::Inner;
use crate::executor::LaunchNews;
use crate::runs::{Dispatched, LaunchOrder, RunHandle};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use saltpeter_domain::Plaintext;
use saltpeter_domain::job::WrapperProtocol;
use saltpeter_protocol::launch::{DEFAULT_RETAIN, Launch};
use saltpeter_protocol::{MachineId, RunId};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// News of launches that may wait to be passed on.
const NEWS: usize = 256;

/// For how long machines whose wrappers ask for the command are gathered.
const GATHER: Duration = Duration::from_millis(150);

/// Why a wrapper of the earlier implementation is not started.
const NO_TLS: &str = "Wrappers of the earlier implementation speak no TLS, and this server refuses connections without: set machines_ws_plaintext: allow under saltpeter_config and start the server anew, or have the job use Saltpeter's own wrapper.";

impl Inner {
    /// Starts the wrappers of `order.machines`. Returns when nothing more will be heard of their starts.
    pub(super) async fn start_wrappers(&self, order: LaunchOrder, reply: &RunHandle) {
        let spec = &order.spec;
        let host = self.parts.executor.server_host(spec.server_host.as_deref());
        let advertised = self
            .parts
            .config
            .current()
            .settings
            .advertised_machines_port;
        let port = advertised.unwrap_or(self.parts.machines_port);
        let url = format!("wss://{host}:{port}");
        let is_pinned = self.parts.executor.is_this_host() || !self.parts.tls.is_vouched();
        let pin = is_pinned.then(|| self.parts.tls.pin().to_owned());
        let takes_old = self.parts.tls.plaintext() == Plaintext::Allow;
        let launch = |machine| Launch {
            url: url.clone(),
            job: order.job.clone(),
            run: order.run.clone(),
            machine,
            token: Some(self.parts.key.token(&order.run)),
            tls_pin: pin.clone(),
            log_level: spec.wrapper.loglevel,
            log_dir: Some(spec.wrapper.logdir.clone()),
            retain: DEFAULT_RETAIN,
            command: None,
        };
        let of_old = |machine: MachineId| {
            let attempt = order.attempts.get(&machine).copied().unwrap_or_default();
            let mut launch = launch(machine);
            // Nothing else tells it from the wrapper of another attempt.
            if let Ok(instance) = RunId::new(attempt.instance(&order.run)) {
                launch.run = instance;
            }
            launch.for_version_1(spec.command())
        };
        if spec.wrapper.protocol == WrapperProtocol::V1 && !takes_old {
            for machine in order.machines {
                self.failed(&order.run, machine, NO_TLS.to_owned(), reply)
                    .await;
            }
            return;
        }
        let first: Vec<Launch> = match spec.wrapper.protocol {
            WrapperProtocol::V1 => order.machines.iter().cloned().map(of_old).collect(),
            WrapperProtocol::Auto | WrapperProtocol::V2 => {
                order.machines.iter().cloned().map(launch).collect()
            }
        };
        let path = &spec.wrapper.path;
        let (news, mut heard) = mpsc::channel(NEWS);
        let mut launching = FuturesUnordered::new();
        launching.push(self.parts.executor.launch(first, path, news.clone()));
        // Machines whose wrapper asks for the command; gathered, so that one call serves them all.
        let mut asking: Vec<Launch> = Vec::new();
        let mut gathered = Instant::now();
        let mut told = BTreeSet::new();
        while !(launching.is_empty() && heard.is_empty() && asking.is_empty()) {
            tokio::select! {
                Some(news) = heard.recv() => match news {
                    LaunchNews::GoesOn(machines) => {
                        reply.report(Dispatched::LaunchGoesOn { machines }).await;
                    }
                    LaunchNews::WantsCommand(machine, error)
                        if spec.wrapper.protocol == WrapperProtocol::Auto && !takes_old =>
                    {
                        let message = format!("{error}. {NO_TLS}");
                        self.failed(&order.run, machine, message, reply).await;
                    }
                    LaunchNews::WantsCommand(machine, _)
                        if spec.wrapper.protocol == WrapperProtocol::Auto
                            && spec.secrets.is_empty()
                            && told.insert(machine.clone()) =>
                    {
                        if asking.is_empty() {
                            gathered = Instant::now() + GATHER;
                        }
                        asking.push(of_old(machine));
                    }
                    LaunchNews::WantsCommand(machine, error) => {
                        let what = if spec.secrets.is_empty() {
                            "which needs wrapper_protocol: 1"
                        } else {
                            "which cannot be given the secrets of this job; install the wrapper of this server there"
                        };
                        let message = format!(
                            "{error}. It is a wrapper of the earlier implementation, {what}."
                        );
                        self.failed(&order.run, machine, message, reply).await;
                    }
                    LaunchNews::Failed(machine, error) => {
                        self.failed(&order.run, machine, error.to_string(), reply).await;
                    }
                },
                () = tokio::time::sleep_until(gathered), if !asking.is_empty() => {
                    let again = std::mem::take(&mut asking);
                    launching.push(self.parts.executor.launch(again, path, news.clone()));
                }
                Some(()) = launching.next() => {}
            }
        }
    }

    pub(super) async fn failed(
        &self,
        run: &RunId,
        machine: MachineId,
        message: String,
        reply: &RunHandle,
    ) {
        tracing::warn!(%run, %machine, "the wrapper was not started: {message}");
        reply
            .report(Dispatched::LaunchFailed { machine, message })
            .await;
    }
}
