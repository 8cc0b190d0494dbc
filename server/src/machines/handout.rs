//! The command that a wrapper is given, with its secrets.

use super::session_v2::Hello;
use crate::runs::{MachineInput, RunHandle};
use crate::secrets::{self, SecretError};
use saltpeter_domain::Secret;
use saltpeter_domain::secret::SecretSource;
use saltpeter_protocol::MachineId;
use saltpeter_protocol::launch::CommandSpec;
use saltpeter_protocol::machine::v2::{Feature, MAX_FRAME};
use std::collections::BTreeMap;

/// Longest command with its environment, in bytes of JSON: a message that is longer than a frame would never arrive, and the
/// rest of it takes far less than this leaves.
const LARGEST: usize = MAX_FRAME - 4096;
/// JSON makes at most so many bytes of one.
const JSON_GROWTH: usize = 6;

/// Why a wrapper does not get its command. A sentence for the operator.
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
    /// It would never arrive.
    #[error(
        "the command takes {0} bytes with its environment and secrets, and {LARGEST} is the most that a wrapper is given; put what is large into a file on the machine"
    )]
    TooLarge(usize),
}

/// Puts the values of `sources` into the command of the wrapper that said `hello`. When that cannot be, or the command
/// cannot be handed over, the machine ends with the reason, which is the error.
pub(super) async fn complete(
    command: &mut CommandSpec,
    sources: &BTreeMap<String, SecretSource>,
    hello: &Hello,
    run: &RunHandle,
) -> Result<(), String> {
    let secrets = read(sources, hello).await;
    let completed = secrets.and_then(|secrets| {
        let exposed = secrets
            .into_iter()
            .map(|(name, secret)| (name, secret.expose().to_owned()));
        command.secrets = exposed.collect();
        fits(command)
    });
    match completed {
        Ok(()) => Ok(()),
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

/// Whether the command can be handed over.
fn fits(command: &CommandSpec) -> Result<(), Refusal> {
    let variables = command.env.iter().chain(&command.secrets);
    let plain = command.command.len() + variables.map(|(n, v)| n.len() + v.len()).sum::<usize>();
    // Most are far from it, which is quickly seen.
    if plain < LARGEST / (2 * JSON_GROWTH) {
        return Ok(());
    }
    let bytes = serde_json::to_vec(command).map_or(plain, |json| json.len());
    if bytes > LARGEST {
        return Err(Refusal::TooLarge(bytes));
    }
    Ok(())
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
