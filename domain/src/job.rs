//! A job as validated, and the part of it that a run takes along.

use crate::config::Settings;
use crate::failures::FailureLimit;
use crate::past::{ValueMark, schedule_text};
use crate::retention::Overrides;
use crate::retry::Retry;
use crate::run::KILL_GRACE;
use crate::schedule::Schedule;
use crate::secret::{self, Secret, SecretSource};
use crate::targeting::TargetExpr;
pub use saltpeter_protocol::launch::WrapperLogLevel;
use saltpeter_protocol::launch::{CommandSpec, LockRule, TimeLimit};
use saltpeter_protocol::{Attempt, JobName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A job of the configuration, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name, unique over all files.
    pub name: JobName,
    /// The name of its file without the extension.
    pub group: String,
    /// When it fires.
    pub schedule: Schedule,
    /// What `/bin/sh -c` runs.
    pub command: String,
    /// Which machines it is for.
    pub targets: TargetExpr,
    /// How many of the matching machines a run takes, chosen at random; `None`: all.
    pub number_of_targets: Option<NonZeroU32>,
    /// How many machines run at a time; `None`: all at once.
    pub batch_size: Option<NonZeroU32>,
    /// How many machines may fail before a run begins nothing more; `None`: all.
    pub max_failures: Option<FailureLimit>,
    /// Whether machines that fail are tried again.
    pub retry: Option<Retry>,
    /// For how long after contact was lost a wrapper may return; `None`: the global default.
    pub reconnect_grace: Option<Duration>,
    /// How long the command may run on a machine.
    pub timeout: Timeout,
    /// Directory the command runs in.
    pub cwd: Option<String>,
    /// User the command runs as.
    pub user: Option<String>,
    /// Added to the command's environment.
    pub env: BTreeMap<String, Secret>,
    /// Added to it as well, and read when a wrapper asks for the command.
    pub secrets: BTreeMap<String, SecretSource>,
    /// What happens when it is due while an earlier run is still going.
    pub overlap: Overlap,
    /// What happens to fires that nobody could see to in time.
    pub missed: MissedPolicy,
    /// How far back `missed` makes up for them.
    pub missed_window: Duration,
    /// What it says of how much of its history is kept.
    pub retention: Overrides,
    /// How the command is started on a machine.
    pub launch: LaunchWay,
    /// Path of the wrapper on the machines; `None`: the global default.
    pub wrapper_path: Option<String>,
    /// Which version of the machine protocol the wrapper speaks.
    pub wrapper_protocol: WrapperProtocol,
    /// What the wrapper logs; `None`: the global default.
    pub wrapper_loglevel: Option<WrapperLogLevel>,
    /// Where the wrapper logs; `None`: the global default.
    pub wrapper_logdir: Option<String>,
    /// The wrapper's lock file on the machine; `None`: one of the wrapper's choice.
    pub lockfile: Option<String>,
    /// The host name under which wrappers find this server; `None`: the global default.
    pub server_host: Option<String>,
    /// Where it is written.
    pub source: SourceRef,
    /// Its keys in the order and the words of its file, for the column chooser and the effective
    /// configuration. Values of `env` are masked.
    pub raw: Vec<(String, String)>,
}

impl Job {
    /// What a run of this job takes along, with the global defaults of `settings` filled in. Later changes
    /// of the configuration do not touch it.
    pub fn freeze(&self, settings: &Settings) -> RunSpec {
        let schedule = &self.schedule;
        RunSpec {
            group: self.group.clone(),
            schedule: Some(schedule_text(
                schedule.expression(),
                schedule.written_zone(),
            )),
            command: self.command.clone(),
            targets: self.targets.clone(),
            number_of_targets: self.number_of_targets,
            batch_size: self.batch_size,
            max_failures: self.max_failures,
            retry: self.retry,
            timeout: self.timeout,
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            env: self.env.clone(),
            env_marks: BTreeMap::new(),
            secrets: self.secrets.clone(),
            overlap: self.overlap,
            launch: self.launch,
            wrapper: WrapperSettings {
                path: self
                    .wrapper_path
                    .clone()
                    .unwrap_or_else(|| settings.default_wrapper_path.clone()),
                protocol: self.wrapper_protocol,
                loglevel: self
                    .wrapper_loglevel
                    .unwrap_or(settings.default_wrapper_loglevel),
                logdir: self
                    .wrapper_logdir
                    .clone()
                    .unwrap_or_else(|| settings.default_wrapper_logdir.clone()),
                lockfile: self.lockfile.clone(),
            },
            server_host: self
                .server_host
                .clone()
                .or_else(|| settings.default_server_host.clone()),
        }
    }

    /// For how long after contact was lost a wrapper of this job may return before its machine counts as lost.
    pub fn reconnect_grace(&self, settings: &Settings) -> Duration {
        self.reconnect_grace.unwrap_or(settings.reconnect_grace)
    }
}

/// What a run needs of its job, as it was when the run began. Stored with the run.
///
/// Serializing it writes the environment's values in clear text: it goes into the store and to wrappers, and
/// nowhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The job's group.
    pub group: String,
    /// When the job was to fire, as written; `None` in runs of versions that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What `/bin/sh -c` runs.
    pub command: String,
    /// Which machines it is for.
    pub targets: TargetExpr,
    /// How many of the matching machines it takes; `None`: all.
    pub number_of_targets: Option<NonZeroU32>,
    /// How many machines run at a time; `None`: all at once.
    pub batch_size: Option<NonZeroU32>,
    /// How many machines may fail before it begins nothing more; `None`: all.
    #[serde(default)]
    pub max_failures: Option<FailureLimit>,
    /// Whether machines that fail are tried again.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// How long the command may run on a machine.
    pub timeout: Timeout,
    /// Directory the command runs in.
    pub cwd: Option<String>,
    /// User the command runs as.
    pub user: Option<String>,
    /// Added to the command's environment.
    #[serde(with = "secret::exposed_map")]
    pub env: BTreeMap<String, Secret>,
    /// Marks of those values, once they themselves are gone (see [`RunSpec::without_values`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_marks: BTreeMap<String, ValueMark>,
    /// Where the secrets are read that are added to it as well. Their values are never part of a run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// What happens when the job is due while this run is still going.
    pub overlap: Overlap,
    /// How the command is started on a machine.
    pub launch: LaunchWay,
    /// The wrapper's own settings.
    pub wrapper: WrapperSettings,
    /// The host name under which wrappers find this server; `None`: this host's name.
    pub server_host: Option<String>,
}

impl RunSpec {
    /// The same without the environment's values, as it is kept once the run is over and nothing is launched any more.
    pub fn without_values(&self) -> Self {
        let names = self.env.keys().cloned();
        Self {
            env: names.map(|name| (name, Secret::new(""))).collect(),
            env_marks: self.env_marks().collect(),
            ..self.clone()
        }
    }

    /// A mark of each of the environment's values, whether it is still here or not.
    pub fn env_marks(&self) -> impl Iterator<Item = (String, ValueMark)> {
        self.env.iter().map(|(name, value)| {
            let kept = self.env_marks.get(name).copied();
            let mark = kept.unwrap_or_else(|| ValueMark::of(value.expose()));
            (name.clone(), mark)
        })
    }

    /// The last attempt that a machine can have.
    pub fn last_attempt(&self) -> Attempt {
        self.retry.map_or(Attempt::FIRST, Retry::last)
    }

    /// What a wrapper is told to run. The secrets are for who can read them to add.
    pub fn command(&self) -> CommandSpec {
        CommandSpec {
            command: self.command.clone(),
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            secrets: BTreeMap::new(),
            time_limit: time_limit(self.timeout),
            overlap: match (self.overlap, &self.wrapper.lockfile) {
                (Overlap::Allow, _) => LockRule::Shared,
                (_, Some(file)) => LockRule::ExclusiveAt { file: file.clone() },
                (_, None) => LockRule::Exclusive,
            },
        }
    }
}

fn time_limit(timeout: Timeout) -> Option<TimeLimit> {
    let soft = timeout.term_after()?;
    let hard = timeout.kill_after().unwrap_or(soft + KILL_GRACE);
    Some(TimeLimit { soft, hard })
}

/// What a wrapper needs for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapperSettings {
    /// Path of its binary on the machine.
    pub path: String,
    /// Which version of the machine protocol it speaks.
    #[serde(default)]
    pub protocol: WrapperProtocol,
    /// What it logs.
    pub loglevel: WrapperLogLevel,
    /// Directory of its logs.
    pub logdir: String,
    /// Its lock file; `None`: one of its choice.
    pub lockfile: Option<String>,
}

/// Which version of the machine protocol a wrapper speaks, and so where it gets the command from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrapperProtocol {
    /// It is started without the command; one that asks for it is started again with it.
    #[default]
    Auto,
    /// Version 1: the command is in the environment it is started with.
    V1,
    /// Version 2: the server tells the command to the wrapper that has shown its token, and nobody else sees it.
    V2,
}

impl WrapperProtocol {
    /// The word that the configuration uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V1 => "1",
            Self::V2 => "2",
        }
    }
}

/// How long a command may run. Durations are whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timeout {
    /// As long as it likes.
    None,
    /// SIGTERM at this time, SIGKILL after the usual grace.
    After(Duration),
    /// SIGTERM at `soft`, SIGKILL at `hard`; `soft` is smaller.
    SoftHard {
        /// Time of SIGTERM.
        soft: Duration,
        /// Time of SIGKILL.
        hard: Duration,
    },
}

impl Timeout {
    /// The default of an hour.
    pub const DEFAULT: Self = Self::After(Duration::from_hours(1));

    /// When the command is first asked to end; `None`: never.
    pub fn term_after(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::After(limit) => Some(limit),
            Self::SoftHard { soft, .. } => Some(soft),
        }
    }

    /// When it is killed, where the job says so; `None`: after the usual grace, or never.
    pub fn kill_after(self) -> Option<Duration> {
        match self {
            Self::SoftHard { hard, .. } => Some(hard),
            Self::None | Self::After(_) => None,
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::After(limit) => write!(f, "{} s", limit.as_secs()),
            Self::SoftHard { soft, hard } => {
                write!(f, "{} s, kill at {} s", soft.as_secs(), hard.as_secs())
            }
        }
    }
}

/// What happens when a job is due while an earlier run of it is still going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new run is not started.
    #[default]
    Skip,
    /// The new run waits for the earlier one.
    Queue,
    /// Both run.
    Allow,
    /// The earlier run is killed.
    Replace,
}

impl Overlap {
    /// The word that stands for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
            Self::Replace => "replace",
        }
    }
}

/// What happens to the fires of a job that nobody could see to in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedPolicy {
    /// They stay missed.
    #[default]
    Skip,
    /// One run makes up for all of them, unless a fire is just due.
    Once,
    /// Each gets its run, one after the other.
    All,
}

impl MissedPolicy {
    /// The word that stands for it in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

/// How far back missed fires are made up for where a job does not say.
pub const DEFAULT_MISSED_WINDOW: Duration = Duration::from_hours(24);

/// How a command is started on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchWay {
    /// By a wrapper that reports to this server (`use_wrapper: true`).
    #[default]
    Wrapper,
    /// By the executor alone, which returns the result when the command is over (`use_wrapper: false`).
    Executor,
}

/// A place in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRef {
    /// The file's name within the configuration directory.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
