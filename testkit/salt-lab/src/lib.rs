//! The Salt lab, as those who use it see it: what `lab.json` says, its processes, and its REST service. `cargo xtask
//! salt` makes the lab; tests and that task stop and start its processes in the same way.

mod api;
mod process;

pub use api::Api;
pub use process::MARK;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The environment variable that names the lab's description, when it is not at the default place.
pub const VARIABLE: &str = "SALTPETER_SALT_LAB";

/// How long a question that is waited for may take to be answered well.
const PATIENCE: Duration = Duration::from_secs(150);

/// A Salt on this machine: where everything is. The content of `lab.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lab {
    /// Where its processes keep their files.
    pub root: PathBuf,
    /// The directory with the file `master`, for `SALT_CONFIG_DIR`.
    pub config_dir: PathBuf,
    /// The `salt` command.
    pub salt: PathBuf,
    /// The `salt-run` command.
    pub salt_run: PathBuf,
    /// The Python that has Salt's packages.
    pub python: PathBuf,
    /// Where salt-api listens, without a slash at the end.
    pub api_url: String,
    /// A user who may do everything.
    pub api_user: String,
    /// A user who may call `test.ping` and nothing else, by the same password.
    pub api_restricted_user: String,
    /// The way of both users to log in.
    pub api_eauth: String,
    /// The file with their password.
    pub api_password_file: PathBuf,
    /// The file with the password by which the first user may also log in, by the eauth `file`.
    pub api_other_password_file: PathBuf,
    /// The names of the minions.
    pub minions: Vec<String>,
    /// What the master's file server serves as `salt://`; any user's process may write here that runs as this one.
    pub file_root: PathBuf,
    /// An executable that is the earlier implementation's wrapper.
    pub old_wrapper: PathBuf,
    /// The processes by name: `master`, `api` and the minions.
    pub processes: BTreeMap<String, Process>,
}

/// How a process of the lab is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it writes its number, and that of the process which is responsible for others of its kind.
    pub pid_files: Vec<PathBuf>,
    /// Where what it prints is appended.
    pub console: PathBuf,
}

impl Lab {
    /// Where the description is: `$SALTPETER_SALT_LAB`, or `target/salt/lab.json` of the workspace.
    pub fn place(workspace: &Path) -> PathBuf {
        std::env::var_os(VARIABLE).map_or_else(
            || workspace.join("target/salt/lab.json"),
            |path| workspace.join(path),
        )
    }

    /// Reads a description. The error says how to get a lab.
    pub fn read(place: &Path) -> Result<Self> {
        let text = std::fs::read(place).with_context(|| {
            format!(
                "there is no Salt lab in {}; start one with `cargo xtask salt up`",
                place.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is not a lab's description; make it anew with `cargo xtask salt down` and `up`",
                place.display()
            )
        })
    }

    /// Writes the description, whole or not at all.
    pub fn write(&self, place: &Path) -> Result<()> {
        let new = place.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, place))
            .with_context(|| format!("cannot write {}", place.display()))
    }

    /// The lab's REST service, asked as the user who may do everything.
    pub fn api(&self) -> Result<Api> {
        let password = std::fs::read_to_string(&self.api_password_file)
            .with_context(|| format!("cannot read {}", self.api_password_file.display()))?;
        Api::new(
            &self.api_url,
            &self.api_user,
            &self.api_eauth,
            password.trim(),
        )
    }

    /// Starts a process of the lab, unless it runs. Does not wait until it can be used.
    pub fn start(&self, name: &str) -> Result<()> {
        process::start(&self.root, name, self.process(name)?)
    }

    /// Ends a process of the lab at once, as a machine dies: by SIGKILL, with its children. What it had launched
    /// in sessions of their own (wrappers, for instance) goes on.
    pub fn kill(&self, name: &str) -> Result<()> {
        self.process(name)?;
        process::kill(&self.root, name)
    }

    /// Whether a process of the lab runs.
    pub fn is_running(&self, name: &str) -> Result<bool> {
        self.process(name)?;
        process::is_running(&self.root, name)
    }

    /// Ends everything that the lab has started, and everything that those have started: first by SIGTERM, which is
    /// given `grace`, then by SIGKILL.
    pub fn end(&self, grace: Duration) -> Result<()> {
        process::end_all(&self.root, grace)
    }

    /// Waits until these machines answer. With none, until the master and salt-api do.
    pub fn wait_for(&self, machines: &[&str]) -> Result<()> {
        let mut api = self.api()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let problem = match api.ping(machines) {
                Ok(silent) if silent.is_empty() => return Ok(()),
                Ok(silent) => anyhow::anyhow!("no answer from {}", silent.join(", ")),
                Err(error) => error,
            };
            if let Some(ended) = self.first_ended(machines)? {
                let console = self.process(ended)?.console.display();
                return Err(problem.context(format!("{ended} has ended; see {console}")));
            }
            if Instant::now() >= deadline {
                return Err(problem.context(format!(
                    "the Salt lab was not ready after {} s; its logs are in {}",
                    PATIENCE.as_secs(),
                    self.root.display()
                )));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn first_ended<'m>(&self, machines: &[&'m str]) -> Result<Option<&'m str>> {
        for machine in machines {
            if !self.is_running(machine)? {
                return Ok(Some(machine));
            }
        }
        Ok(None)
    }

    fn process(&self, name: &str) -> Result<&Process> {
        let known: Vec<&str> = self.processes.keys().map(String::as_str).collect();
        ensure!(
            !known.is_empty(),
            "the description of the Salt lab names no process"
        );
        self.processes.get(name).with_context(|| {
            format!(
                "the Salt lab has no process {name:?}; it has {}",
                known.join(", ")
            )
        })
    }
}

/// Ends what a lab at `root` has left behind whose description is lost.
pub fn end_leftovers(root: &Path, grace: Duration) -> Result<()> {
    process::end_all(root, grace)
}
