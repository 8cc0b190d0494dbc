//! Salt by the master on this host, without any configuration: a process of the Python that runs the `salt` command
//! calls Salt's own client. It is started for the first call, serves all of them, and ends when there have been none
//! for a while. Nothing of a call stands in a command line.

mod bridge;
mod interpreter;

use super::connection::{Connection, EventStream, Way};
use super::{Jid, SaltError};
use crate::clock::Clock;
use anyhow::{Context as _, Result, bail};
use bridge::Bridge;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Salt by the master on this host.
pub type SaltCli = Connection<Host>;

impl SaltCli {
    /// Salt by the master whose configuration is in `config_dir`; `command` is its `salt`. Fails where there is no
    /// such configuration, because Salt would then take its defaults, which open ports to the network.
    pub fn new(config_dir: &Path, command: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let master = config_dir.join("master");
        if !master.is_file() {
            bail!(
                "there is no {}; salt-cli works on a Salt master only, whose configuration's directory salt_config_dir names",
                master.display()
            );
        }
        let script = find_command(command).with_context(|| {
            format!("there is no command {command}; name the `salt` of the master's installation in salt_command")
        })?;
        let host = Host {
            python: interpreter(&script)?,
            master,
            script,
            bridge: Mutex::default(),
        };
        Ok(Self::over(host, clock))
    }
}

/// The Salt master on this host.
pub struct Host {
    script: PathBuf,
    python: PathBuf,
    master: PathBuf,
    bridge: Mutex<Option<Arc<Bridge>>>,
}

impl Host {
    fn bridge(&self) -> MutexGuard<'_, Option<Arc<Bridge>>> {
        self.bridge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, what: &str, question: Value) -> Result<Value, SaltError> {
        let bridge = self.bridge().clone();
        let Some(bridge) = bridge else {
            return Err(SaltError::Away(
                "the connection to the Salt master of this host has just broken".to_owned(),
            ));
        };
        let answer = bridge.ask(question).await?;
        let told = |kind| answer.get(kind).and_then(Value::as_str);
        let master = self.master.display();
        if let Some(why) = told("refused") {
            return Err(SaltError::Refused(format!(
                "the Salt master of {master} does not permit {what}; run this server as the master's user, or permit it in publisher_acl ({why})"
            )));
        }
        if let Some(why) = told("away") {
            return Err(SaltError::Away(format!(
                "the Salt master of {master} is not running ({why})"
            )));
        }
        if let Some(why) = told("unsure") {
            return Err(SaltError::Unsure(format!(
                "the Salt master of {master} did not take {what}; is it running? ({why})"
            )));
        }
        Ok(answer)
    }
}

impl Way for Host {
    fn describe(&self) -> String {
        format!(
            "the Salt master of this host ({}, configured in {})",
            self.script.display(),
            self.master.display()
        )
    }

    fn events(&self) -> BoxFuture<'_, Result<EventStream, SaltError>> {
        Box::pin(async {
            // The old one has ended, or ends with the last question that holds it.
            *self.bridge() = None;
            let (bridge, events) = Bridge::start(&self.python, &self.master).await?;
            *self.bridge() = Some(Arc::new(bridge));
            Ok(events)
        })
    }

    fn publish(
        &self,
        function: &'static str,
        low: Value,
    ) -> BoxFuture<'_, Result<Value, SaltError>> {
        Box::pin(self.ask(function, json!({"ask": "publish", "low": low})))
    }

    fn job<'a>(&'a self, jid: &'a Jid) -> BoxFuture<'a, Result<Value, SaltError>> {
        Box::pin(self.ask(
            "a look into its job cache",
            json!({"ask": "job", "jid": jid.0}),
        ))
    }
}

/// The file of a command: the path itself, or the first of that name in `PATH`. `None` where there is none.
pub fn find_command(command: &str) -> Option<PathBuf> {
    if command.contains('/') {
        let path = PathBuf::from(command);
        return path.is_file().then_some(path);
    }
    let directories = std::env::var_os("PATH")?;
    std::env::split_paths(&directories)
        .map(|directory| directory.join(command))
        .find(|path| path.is_file())
}

/// The Python that runs `script`.
fn interpreter(script: &Path) -> Result<PathBuf> {
    let shown = script.display();
    let mut head = Vec::new();
    let real = script
        .canonicalize()
        .with_context(|| format!("cannot find {shown}"))?;
    File::open(&real)
        .and_then(|file| file.take(1024).read_to_end(&mut head))
        .with_context(|| format!("cannot read {shown}"))?;
    let directory = real.parent().unwrap_or(Path::new("/"));
    interpreter::of_script(&head, directory).with_context(|| {
        format!("cannot tell which Python runs {shown}; name in salt_command the `salt` that Salt's installation brings")
    })
}
