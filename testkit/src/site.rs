//! A directory with a configuration and the data of a server, and servers that serve it one after the other.

use crate::Client;
use anyhow::{Context, Result, bail};
use saltpeter_protocol::{RunId, Token};
use saltpeter_server::boot::{Options, boot};
use saltpeter_server::clock::SystemClock;
use saltpeter_server::lifecycle::Lifecycle;
use saltpeter_server::machines::RunKey;
use saltpeter_server::people::Auth;
use saltpeter_server::settings::Flags;
use saltpeter_server::store::faults::Faults;
use saltpeter_server::ws::live::Patience;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What outlives a server. Deleted with everything in it when dropped.
#[derive(Debug)]
pub struct Site {
    directory: TempDir,
    /// The port on which wrappers were told to find the server; 0 before the first one.
    machines_port: AtomicU16,
    faults: Faults,
}

impl Site {
    /// A site with these machines and jobs; `jobs` is the text of a YAML file.
    pub fn new(machines: &[&str], jobs: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let site = Self {
            directory,
            machines_port: AtomicU16::new(0),
            faults: Faults::default(),
        };
        std::fs::create_dir(site.config_dir())?;
        let settings = format!(
            "saltpeter_config:\n  executor: local\n  local_machines: [{}]\n  default_wrapper_path: {}\n  \
             default_wrapper_logdir: {}\n  default_wrapper_loglevel: normal\n",
            machines.join(", "),
            wrapper_binary()?.display(),
            site.path("wrapper-logs").display(),
        );
        site.write("settings.yaml", &settings)?;
        site.write("jobs.yaml", jobs)?;
        Ok(site)
    }

    /// Makes the disk of its servers fail.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// A path within the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn config_dir(&self) -> PathBuf {
        self.path("config")
    }

    /// Writes a file of the configuration.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.config_dir().join(file), text)?)
    }

    /// The token that wrappers of `run` have.
    pub fn token(&self, run: &RunId) -> Result<Token> {
        Ok(RunKey::load_or_create(&self.path("data").join("run.key"))?.token(run))
    }

    /// Starts a server. One after the first listens for wrappers where the first did.
    pub async fn serve(&self) -> Result<Server> {
        let options = Options {
            config_dir: self.config_dir(),
            flags: Flags {
                logdir: Some(self.path("logs")),
                data_dir: Some(self.path("data")),
                api_port: Some(0),
                api_addr: Some(HERE),
                machines_port: Some(self.machines_port.load(Ordering::Relaxed)),
                machines_addr: Some(HERE),
                ..Flags::default()
            },
            auth: Auth::InsecureNone,
            faults: self.faults.clone(),
            open_files: None,
            patience: Patience::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("server")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let running = runtime
            .spawn_blocking(move || handle.block_on(boot(options, Arc::new(SystemClock))))
            .await
            .context("the server panicked as it started")??;
        let machines = running.machines_addr();
        self.machines_port.store(machines.port(), Ordering::Relaxed);
        let client = Client::new(running.api_addr().context("the server has no API")?);
        let lifecycle = running.lifecycle().clone();
        Ok(Server {
            client,
            machines,
            lifecycle,
            end: runtime.spawn(running.wait()),
            runtime: Some(runtime),
        })
    }
}

/// A server in a runtime of its own.
#[derive(Debug)]
pub struct Server {
    /// Asks it.
    pub client: Client,
    /// Where it listens for wrappers.
    pub machines: SocketAddr,
    lifecycle: Lifecycle,
    end: JoinHandle<Result<()>>,
    runtime: Option<Runtime>,
}

impl Server {
    /// As by SIGTERM. Returns when it has ended; an error says why it did not end well.
    pub async fn stop(mut self) -> Result<()> {
        self.lifecycle.stop();
        (&mut self.end).await.context("the server panicked")?
    }

    /// As by SIGKILL, as far as that goes within a process: every task ends where it waits.
    pub async fn kill(mut self) -> Result<()> {
        let Some(runtime) = self.runtime.take() else {
            bail!("the server was killed before");
        };
        // Waits for the tasks' present steps, which must not happen within a runtime.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(crate::PATIENCE)).await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The wrapper's binary, which cargo puts beside the tests' directory.
fn wrapper_binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test
        .parent()
        .and_then(Path::parent)
        .map(|directory| directory.join("saltpeter-wrapper"))
        .filter(|path| path.exists());
    found.context("there is no saltpeter-wrapper beside the tests; build it with `cargo build -p saltpeter-wrapper`")
}
