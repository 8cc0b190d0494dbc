//! The secrets that a wrapper is given with its command.

use super::session_v2::Hello;
use crate::runs::{MachineInput, RunHandle};
use crate::secrets::{self, SecretError};
use saltpeter_domain::Secret;
use saltpeter_domain::secret::SecretSource;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::Feature;
use std::collections::BTreeMap;

/// Why a wrapper does not get the secrets of its command, and so not the command. A sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It would show them.
    #[error(
        "the wrapper on {machine} (version {version}) does not know how to keep secrets out of the output, and the job has some; replace it by the one of this server"
    )]
    TooOld {
        /// Where it is.
        machine: MachineId,
        /// What it calls itself.
        version: String,
    },
    /// They cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Puts the values of `sources` into the command of the wrapper that said `hello`. When that cannot be, the machine ends
/// with the reason, which is the error.
pub(super) async fn complete(
    command: &mut CommandSpec,
    sources: &BTreeMap<String, SecretSource>,
    hello: &Hello,
    run: &RunHandle,
) -> Result<(), String> {
    match read(sources, hello).await {
        Ok(secrets) => {
            let exposed = secrets
                .into_iter()
                .map(|(name, secret)| (name, secret.expose().to_owned()));
            command.secrets = exposed.collect();
            Ok(())
        }
        Err(refusal) => {
            let (machine, message) = (hello.machine.clone(), refusal.to_string());
            tracing::warn!(run = %hello.run, %machine, "the command is not started: {message}");
            let input = MachineInput::CannotStart {
                machine,
                message: message.clone(),
            };
            run.send(input).await;
            Err(message)
        }
    }
}

async fn read(
    sources: &BTreeMap<String, SecretSource>,
    hello: &Hello,
) -> Result<BTreeMap<String, Secret>, Refusal> {
    if !sources.is_empty() && !hello.features.contains(&Feature::Secrets) {
        return Err(Refusal::TooOld {
            machine: hello.machine.clone(),
            version: hello.version.clone(),
        });
    }
    Ok(secrets::read(sources).await?)
}
