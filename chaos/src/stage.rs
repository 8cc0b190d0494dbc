//! A server of one's own: its directory, its ports, and the process, which comes and goes.

use crate::files::{self, Place};
use crate::proxy::Proxy;
use anyhow::{Context as _, Result, bail, ensure};
use saltpeter_testkit::Client;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How long a server may take to answer after its start.
const STARTS_WITHIN: Duration = Duration::from_secs(40);

/// How long a server may take to stop when asked to.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// How often the server is asked whether it is up.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Where the binaries are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `saltpeter`
    pub server: PathBuf,
    /// `saltpeter-wrapper`
    pub wrapper: PathBuf,
    /// `saltpeter-chaos-command`
    pub command: PathBuf,
}

impl Binaries {
    /// Those beside this program, or where `SALTPETER_BIN` and `SALTPETER_WRAPPER` say.
    pub fn find() -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut beside = own.parent().context("this program has no directory")?;
        // The tests are one further down.
        if beside.ends_with("deps") {
            beside = beside.parent().context("the tests have no directory")?;
        }
        let named = |variable: &str, name: &str| {
            std::env::var_os(variable).map_or_else(|| beside.join(name), PathBuf::from)
        };
        let found = Self {
            server: named("SALTPETER_BIN", "saltpeter"),
            wrapper: named("SALTPETER_WRAPPER", "saltpeter-wrapper"),
            command: beside.join("saltpeter-chaos-command"),
        };
        for binary in [&found.server, &found.wrapper, &found.command] {
            ensure!(
                binary.is_file(),
                "{} is missing; `cargo xtask chaos` builds it",
                binary.display()
            );
        }
        Ok(found)
    }
}

/// What is wrong with the server's surroundings, as its hidden flag `--faults` reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Faults {
    /// Milliseconds by which the clock is ahead.
    pub clock_offset_ms: i64,
    /// Milliseconds that every commit takes longer.
    #[serde(skip_serializing_if = "is_zero")]
    pub commit_delay_ms: u64,
    /// `full` when no commit succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_failure: Option<&'static str>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    /// Everything is in here.
    pub directory: PathBuf,
    /// What makes the names of jobs this stage's own: wrappers of the whole host share their locks.
    pub tag: String,
    /// Between wrappers and the server.
    pub proxy: Proxy,
    binaries: Binaries,
    /// Where the API listens.
    pub api_port: u16,
    machines_port: u16,
    server: Option<Child>,
    faults: Faults,
}

impl Stage {
    /// A stage in a new directory below the system's temporary one. It stays until [`Stage::remove`].
    pub async fn new(name: &str) -> Result<Self> {
        let tag = format!("{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(format!("saltpeter-chaos-{tag}"));
        for part in ["config", "ledger", "wrapper-logs"] {
            std::fs::create_dir_all(directory.join(part))
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let (api_port, machines_port) = (free_port()?, free_port()?);
        let mut stage = Self {
            directory,
            tag,
            proxy: Proxy::start(machines_port).await?,
            binaries: Binaries::find()?,
            api_port,
            machines_port,
            server: None,
            faults: Faults::default(),
        };
        stage.set_faults(|_| {})?;
        Ok(stage)
    }

    /// What configuration files need to know.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        (self.directory.join("wrapper-logs"), self.ledger())
    }

    /// Where commands keep their ledgers.
    pub fn ledger(&self) -> PathBuf {
        self.directory.join("ledger")
    }

    /// The server's database.
    pub fn database(&self) -> PathBuf {
        self.directory.join("data/saltpeter.db")
    }

    /// Writes the settings and a file of jobs, made by `jobs`.
    pub fn configure(
        &self,
        machines: &[String],
        more: &str,
        jobs: impl FnOnce(Place<'_>) -> String,
    ) -> Result<()> {
        let (wrapper_logs, ledger) = self.files();
        let place = Place {
            wrapper: &self.binaries.wrapper,
            wrapper_logs: &wrapper_logs,
            command: &self.binaries.command,
            ledger: &ledger,
            advertised: self.proxy.port,
        };
        let config = self.directory.join("config");
        std::fs::write(
            config.join("settings.yaml"),
            files::settings(place, machines, more),
        )?;
        std::fs::write(config.join("jobs.yaml"), jobs(place))?;
        Ok(())
    }

    /// The name of a job here.
    pub fn job(&self, name: &str) -> String {
        format!("{}-{name}", self.tag)
    }

    /// Asks the server. It may not be there.
    pub fn client(&self) -> Client {
        Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, self.api_port)))
    }

    /// The server's process; `None` when there is none.
    pub fn server(&self) -> Option<u32> {
        self.server.as_ref().and_then(Child::id)
    }

    /// The faults as they are.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Changes the server's surroundings.
    pub fn set_faults(&mut self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        change(&mut self.faults);
        let next = self.directory.join("faults.next");
        std::fs::write(&next, serde_json::to_vec(&self.faults)?)?;
        std::fs::rename(next, self.directory.join("faults"))?;
        Ok(())
    }

    /// Starts the server without waiting for it.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "the server is there already");
        let log = self.log_file()?;
        let child = Command::new(&self.binaries.server)
            .arg("-c")
            .arg(self.directory.join("config"))
            .arg("-l")
            .arg(self.directory.join("logs"))
            .arg("--data-dir")
            .arg(self.directory.join("data"))
            .arg("--faults")
            .arg(self.directory.join("faults"))
            .args(["-b", "127.0.0.1", "--websocket-host", "127.0.0.1"])
            .arg("--insecure-no-auth")
            .args(["-p", &self.api_port.to_string()])
            .args(["-w", &self.machines_port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binaries.server.display()))?;
        self.server = Some(child);
        Ok(())
    }

    fn log_file(&self) -> Result<File> {
        let path = self.directory.join("server.log");
        Ok(OpenOptions::new().create(true).append(true).open(path)?)
    }

    /// Waits until the server answers. One that ended by itself is an error.
    pub async fn until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        let client = self.client();
        loop {
            let asked = timeout(Duration::from_secs(5), client.get("/version")).await;
            if matches!(asked, Ok(Ok(answer)) if answer.status == 200) {
                return Ok(());
            }
            let Some(server) = &mut self.server else {
                bail!("there is no server")
            };
            if let Some(status) = server.try_wait()? {
                self.server = None;
                bail!(
                    "the server ended by itself: {status}\n{}",
                    self.last_words()
                );
            }
            ensure!(
                Instant::now() < deadline,
                "the server does not answer after {STARTS_WITHIN:?}\n{}",
                self.last_words()
            );
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.directory.join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// SIGKILL, and waits until it is gone. One that ended by itself before is an error.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            bail!("there is no server")
        };
        if let Some(status) = server.try_wait()? {
            bail!(
                "the server ended by itself: {status}\n{}",
                self.last_words()
            );
        }
        server.kill().await?;
        Ok(())
    }

    /// SIGTERM, and waits until it is gone, which it must be in time and without a complaint.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else {
            bail!("there is no server")
        };
        if let Some(pid) = server
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()))
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = timeout(STOPS_WITHIN, server.wait())
            .await
            .with_context(|| format!("the server does not stop within {STOPS_WITHIN:?}"))??;
        // Before it listens for signals, SIGTERM ends it.
        ensure!(
            status.success() || std::os::unix::process::ExitStatusExt::signal(&status) == Some(15),
            "the server stopped with {status}\n{}",
            self.last_words()
        );
        Ok(())
    }

    /// Deletes everything.
    pub fn remove(self) -> Result<()> {
        let directory: &Path = &self.directory;
        std::fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
