//! What starts a wrapper: the `SP_*` environment, written by executors and read by wrappers.
//!
//! Version 2 hands over where to report, as whom, and with which token; the command itself comes in
//! the server's `welcome`. Version 1 wrappers, and a wrapper started by hand, take the command from
//! the environment as well.

use crate::attempt::Attempt;
use crate::ids::{InvalidId, JobName, MachineId, RunId, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names of the environment's variables.
pub mod var {
    /// Address of the server's machines endpoint, `ws://` or `wss://`. Required.
    pub const URL: &str = "SP_WEBSOCKET_URL";
    /// The job's name. Required.
    pub const JOB: &str = "SP_JOB_NAME";
    /// The run. Required.
    pub const RUN: &str = "SP_JOB_INSTANCE";
    /// The run once more, under its first name, by which commands in the field know it.
    pub const RUN_FOR_COMMANDS: &str = "SP_JOB_INSTANCE_NAME";
    /// The machine's name towards the server; the host's name when absent.
    pub const MACHINE: &str = "SP_MACHINE_ID";
    /// The run's token (version 2).
    pub const TOKEN: &str = "SP_TOKEN";
    /// SHA-256 of the server's certificate in DER form, hexadecimal (version 2): no other is accepted. Absent with `wss://`:
    /// the machine's authorities vouch for the server.
    pub const TLS_PIN: &str = "SP_TLS_PIN";
    /// `normal`, `debug` or `off`.
    pub const LOG_LEVEL: &str = "SP_WRAPPER_LOGLEVEL";
    /// Directory of the wrapper's own log files.
    pub const LOG_DIR: &str = "SP_WRAPPER_LOGDIR";
    /// Seconds for which an undelivered result is kept. 86400 when absent.
    pub const RETAIN: &str = "SP_RETAIN";
    /// Bytes of output that may wait on the machine's disk for the server; at this bound the command waits. 1 GiB when
    /// absent. For who starts wrappers by hand or by a minion's environment: the server does not set it.
    pub const SPOOL_MAX: &str = "SP_SPOOL_MAX";
    /// How many files the command may have open at first (its soft limit), where whoever starts the wrapper has raised its
    /// own limit for itself.
    pub const OPEN_FILES: &str = "SP_OPEN_FILES";
    /// The command; required by version 1.
    pub const COMMAND: &str = "SP_COMMAND";
    /// The command's working directory.
    pub const CWD: &str = "SP_CWD";
    /// The user the command runs as.
    pub const USER: &str = "SP_USER";
    /// The command's timeout in seconds; 0 for none.
    pub const TIMEOUT: &str = "SP_TIMEOUT";
    /// `1` or `true`: take no overlap lock.
    pub const ALLOW_OVERLAP: &str = "SP_ALLOW_OVERLAP";
    /// The overlap lock's file.
    pub const LOCKFILE: &str = "SP_LOCKFILE";
}

/// How much a wrapper writes to its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapperLogLevel {
    /// Life-cycle events.
    #[default]
    Normal,
    /// Every message.
    Debug,
    /// Nothing.
    Off,
}

impl WrapperLogLevel {
    /// The word that configuration and environment use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Debug => "debug",
            Self::Off => "off",
        }
    }
}

impl std::str::FromStr for WrapperLogLevel {
    type Err = LaunchError;
    fn from_str(text: &str) -> Result<Self, LaunchError> {
        match text {
            "normal" => Ok(Self::Normal),
            "debug" => Ok(Self::Debug),
            "off" => Ok(Self::Off),
            other => Err(LaunchError::Invalid {
                name: var::LOG_LEVEL,
                problem: format!("{other:?} is not normal, debug or off"),
            }),
        }
    }
}

/// When a command is ended for taking too long, counted from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// SIGTERM to the whole process group.
    pub soft: Duration,
    /// SIGKILL to what is left of it.
    pub hard: Duration,
}

/// Everything a wrapper needs to run the command. Travels in `welcome`, never through the launcher
/// (but for version 1 and starts by hand).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Run by `/bin/sh -c`.
    pub command: String,
    /// Working directory; the wrapper's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// User to run as, with that user's groups; the wrapper's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Added to the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Added to the environment as well. They are sent only to a wrapper with [`crate::machine::v2::Feature::Secrets`],
    /// and never put into a wrapper's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// `None`: the command may run for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<TimeLimit>,
    /// Whether a second run of the job may be active on the machine.
    #[serde(default)]
    pub overlap: LockRule,
}

/// Only the names of `env` and `secrets` are shown.
impl std::fmt::Debug for CommandSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandSpec")
            .field("command", &self.command)
            .field("cwd", &self.cwd)
            .field("user", &self.user)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .field("time_limit", &self.time_limit)
            .field("overlap", &self.overlap)
            .finish()
    }
}

/// What stands in place of a secret in the output of a command.
pub const OUTPUT_MASK: &str = "***";

/// Values of fewer bytes are not masked in output: they would be found everywhere. A secret must be at least this long.
pub const SHORTEST_MASKED: usize = 4;

/// The machine-side lock against two active runs of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum LockRule {
    /// Refuse to start while the job's lock is held; the wrapper chooses the file.
    #[default]
    Exclusive,
    /// As `Exclusive`, with a file of the operator's choice.
    ExclusiveAt {
        /// Absolute path.
        file: String,
    },
    /// Take no lock.
    Shared,
}

/// What an executor gives a wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Where to report: `ws://host:port` or `wss://host:port`.
    pub url: String,
    /// The job.
    pub job: JobName,
    /// The run; for a version 1 wrapper of a later attempt, [`Attempt::instance`].
    pub run: RunId,
    /// Who the wrapper is towards the server.
    pub machine: MachineId,
    /// The run's token; `None` only for a wrapper started by hand against a server without tokens.
    pub token: Option<Token>,
    /// SHA-256 of the server's certificate in DER form, hexadecimal.
    pub tls_pin: Option<String>,
    /// The wrapper's own log.
    pub log_level: WrapperLogLevel,
    /// Directory of the wrapper's own log; none is written when absent.
    pub log_dir: Option<String>,
    /// How long an undelivered result is kept.
    pub retain: Duration,
    /// The command, for version 1 and starts by hand; in version 2 it comes in `welcome`.
    pub command: Option<CommandSpec>,
}

/// How long a wrapper keeps what it could not deliver, unless told otherwise.
pub const DEFAULT_RETAIN: Duration = Duration::from_hours(24);

/// Why an environment does not describe a launch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// A required variable is absent.
    #[error("{0} is not set; a wrapper is started by a Saltpeter server, or by hand with {url}, {job} and {run} set",
        url = var::URL, job = var::JOB, run = var::RUN)]
    Missing(&'static str),
    /// A variable has no usable value.
    #[error("{name}: {problem}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl LaunchError {
    fn invalid(name: &'static str, problem: &InvalidId) -> Self {
        Self::Invalid {
            name,
            problem: problem.to_string(),
        }
    }
}

impl Launch {
    /// The environment that starts a version 2 wrapper; with `command` set, also what version 1 needs. A name that
    /// comes twice has its last value.
    pub fn to_env(&self) -> Vec<(String, String)> {
        let mut env = vec![
            (var::URL.to_owned(), self.url.clone()),
            (var::JOB.to_owned(), self.job.to_string()),
            (var::RUN.to_owned(), self.run.to_string()),
            (var::MACHINE.to_owned(), self.machine.to_string()),
            (
                var::LOG_LEVEL.to_owned(),
                self.log_level.as_str().to_owned(),
            ),
        ];
        let mut optional = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                env.push((name.to_owned(), value));
            }
        };
        optional(
            var::TOKEN,
            self.token.as_ref().map(|t| t.expose().to_owned()),
        );
        optional(var::TLS_PIN, self.tls_pin.clone());
        optional(var::LOG_DIR, self.log_dir.clone());
        if self.retain != DEFAULT_RETAIN {
            optional(var::RETAIN, Some(self.retain.as_secs().to_string()));
        }
        if let Some(spec) = &self.command {
            let run = Attempt::of_instance(self.run.as_str()).0;
            optional(var::RUN_FOR_COMMANDS, Some(run.to_owned()));
            optional(var::COMMAND, Some(spec.command.clone()));
            optional(var::CWD, spec.cwd.clone());
            optional(var::USER, spec.user.clone());
            // Version 1 ends a command with a timeout of 0 at once.
            let timeout = spec.time_limit.map(|limit| limit.soft.as_secs());
            optional(var::TIMEOUT, timeout.map(|seconds| seconds.to_string()));
            // Version 1 takes no lock unless it is told to.
            let shared = spec.overlap == LockRule::Shared;
            optional(var::ALLOW_OVERLAP, Some(shared.to_string()));
            if let LockRule::ExclusiveAt { file } = &spec.overlap {
                optional(var::LOCKFILE, Some(file.clone()));
            }
            // A version 1 wrapper hands its own environment on.
            env.extend(spec.env.clone());
        }
        env
    }

    /// The same for a version 1 wrapper: the command goes along, and the token stands in the address too, which is
    /// where such a wrapper takes it from without knowing. It goes without TLS, which such a wrapper does not speak. A
    /// version 2 wrapper works with this as well.
    pub fn for_version_1(mut self, command: CommandSpec) -> Self {
        if let Some(rest) = self.url.strip_prefix("wss://") {
            self.url = format!("ws://{rest}");
        }
        self.tls_pin = None;
        if let Some(token) = &self.token {
            self.url = format!("{}/?token={}", self.url, token.expose());
        }
        self.command = Some(command);
        self
    }

    /// Reads a launch from an environment. `host_name` stands in for an absent machine id; `grace` is
    /// the time between SIGTERM and SIGKILL of a timeout that comes from the environment.
    pub fn from_env(
        get: impl Fn(&str) -> Option<String>,
        host_name: &str,
        grace: Duration,
    ) -> Result<Self, LaunchError> {
        let required = |name| {
            get(name)
                .filter(|v| !v.is_empty())
                .ok_or(LaunchError::Missing(name))
        };
        let optional = |name| get(name).filter(|v| !v.is_empty());
        let seconds = |name| match optional(name) {
            None => Ok(None),
            Some(text) => text
                .trim()
                .parse::<u64>()
                .map(|s| Some(Duration::from_secs(s)))
                .map_err(|_| LaunchError::Invalid {
                    name,
                    problem: format!("{text:?} is not a number of seconds"),
                }),
        };
        let command = match optional(var::COMMAND) {
            None => None,
            Some(command) => {
                let allowed = optional(var::ALLOW_OVERLAP)
                    .is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
                Some(CommandSpec {
                    command,
                    cwd: optional(var::CWD),
                    user: optional(var::USER),
                    env: BTreeMap::new(),
                    secrets: BTreeMap::new(),
                    time_limit: seconds(var::TIMEOUT)?.filter(|limit| !limit.is_zero()).map(
                        |soft| TimeLimit {
                            soft,
                            hard: soft + grace,
                        },
                    ),
                    overlap: match (allowed, optional(var::LOCKFILE)) {
                        (true, _) => LockRule::Shared,
                        (false, Some(file)) => LockRule::ExclusiveAt { file },
                        (false, None) => LockRule::Exclusive,
                    },
                })
            }
        };
        let machine = optional(var::MACHINE).unwrap_or_else(|| host_name.to_owned());
        Ok(Self {
            url: required(var::URL)?,
            job: JobName::new(required(var::JOB)?)
                .map_err(|e| LaunchError::invalid(var::JOB, &e))?,
            run: RunId::new(required(var::RUN)?).map_err(|e| LaunchError::invalid(var::RUN, &e))?,
            machine: MachineId::new(machine).map_err(|e| LaunchError::invalid(var::MACHINE, &e))?,
            token: optional(var::TOKEN)
                .map(Token::new)
                .transpose()
                .map_err(|e| LaunchError::invalid(var::TOKEN, &e))?,
            tls_pin: optional(var::TLS_PIN),
            log_level: optional(var::LOG_LEVEL)
                .map_or(Ok(WrapperLogLevel::Normal), |v| v.parse())?,
            log_dir: optional(var::LOG_DIR),
            retain: seconds(var::RETAIN)?.unwrap_or(DEFAULT_RETAIN),
            command,
        })
    }
}
