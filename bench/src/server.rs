//! A release server in directories and on ports of its own.

use anyhow::{Context as _, Result, bail, ensure};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ticks of the kernel's clock in a second, in which it counts processor time.
pub(crate) const TICKS: f64 = 100.0;

/// How long the server may take to answer after its start.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A running server; ends with the value.
pub(crate) struct Server {
    child: Child,
    port: u16,
    /// Where wrappers connect.
    pub(crate) machines_port: u16,
    scratch: tempfile::TempDir,
    binary: PathBuf,
    /// The wrapper's release binary.
    pub(crate) wrapper: PathBuf,
}

impl Server {
    /// Starts the release server beside this benchmark's binary with the jobs of `yaml` and one machine, alpha.
    pub(crate) fn start(yaml: &str) -> Result<Self> {
        Self::start_with("alpha", None, yaml)
    }

    /// Starts the release server with these machines (comma-separated). With `launcher`, that program is run in place
    /// of the wrapper, and whoever plays the wrapper connects by himself.
    pub(crate) fn start_with(machines: &str, launcher: Option<&str>, yaml: &str) -> Result<Self> {
        let own = std::env::current_exe()?;
        let release = own.parent().context("this binary has no directory")?;
        let (binary, wrapper) = (release.join("saltpeter"), release.join("saltpeter-wrapper"));
        for needed in [&binary, &wrapper] {
            ensure!(
                needed.exists(),
                "{} is missing; build it with `cargo xtask build --release`",
                needed.display()
            );
        }
        let scratch = tempfile::tempdir()?;
        let config = scratch.path().join("config");
        std::fs::create_dir(&config)?;
        let mut text = format!(
            "saltpeter_config:\n  executor: local\n  machines_ws_plaintext: allow\n  local_machines: [{machines}]\n"
        );
        let launched = launcher.map_or_else(|| wrapper.display().to_string(), str::to_owned);
        writeln!(text, "  default_wrapper_path: {launched}")?;
        std::fs::write(config.join("saltpeter.yaml"), text + yaml)?;
        let (port, machines_port) = (free_port()?, free_port()?);
        let child = spawn(&binary, scratch.path(), (port, machines_port))?;
        let server = Self {
            child,
            port,
            machines_port,
            scratch,
            binary,
            wrapper,
        };
        server.wait()?;
        Ok(server)
    }

    /// Ends it, does something with what it keeps, and starts it again.
    pub(crate) fn away(&mut self, meanwhile: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        meanwhile(self.dir())?;
        self.child = spawn(&self.binary, self.dir(), (self.port, self.machines_port))?;
        self.wait()
    }

    /// Waits until it answers.
    fn wait(&self) -> Result<()> {
        let server = self;
        let deadline = Instant::now() + STARTS_WITHIN;
        while server.get("/healthz").is_err() {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(server.dir().join("server.log"))?;
                bail!("the server does not answer:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Everything it keeps.
    pub(crate) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Where browsers connect.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        memory(&self.child.id().to_string(), "VmRSS:")
    }

    /// The most that its resident memory has been, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        memory(&self.child.id().to_string(), "VmHWM:")
    }

    /// The processor time that it has taken so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let ticks = processor_ticks(&self.child.id().to_string());
        Duration::from_secs_f64(ticks / TICKS)
    }

    /// Presses Run now; the run's name.
    pub(crate) fn run_now(&self, job: &str) -> Result<String> {
        let answer = self.request("POST", &format!("/api/v1/jobs/{job}/run"))?;
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        let run = answer["run"].as_str().context("Run now names no run")?;
        Ok(run.to_owned())
    }

    /// The body of a page.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.request("GET", path)
    }

    fn request(&self, method: &str, path: &str) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        // Version 1.0: the answer's end is the connection's.
        let host = format!("127.0.0.1:{}", self.port);
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .context("an answer without a head")?;
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "{method} {path}: {head}");
        Ok(answer.split_off(end + 4))
    }
}

fn spawn(binary: &Path, dir: &Path, (port, machines_port): (u16, u16)) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("server.log"))?;
    let child = Command::new(binary)
        .arg("-c")
        .arg(dir.join("config"))
        .arg("-l")
        .arg(dir.join("log"))
        .arg("--data-dir")
        .arg(dir.join("data"))
        .args([
            "-b",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-w",
            &machines_port.to_string(),
            "--insecure-no-auth",
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of the run's wrapper in bytes; 0 when there is none.
pub(crate) fn wrapper_memory(run: &str) -> u64 {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let of_run = |pid: &str| {
        let is = |file: &str, what: &str| {
            std::fs::read(format!("/proc/{pid}/{file}"))
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(what))
        };
        is("cmdline", "saltpeter-wrapper") && is("environ", run)
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| of_run(pid))
        .map(|pid| memory(&pid, "VmRSS:"))
        .max()
        .unwrap_or_default()
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The ticks of processor time that a process has taken, in user mode and in the kernel.
pub(crate) fn processor_ticks(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything.
    let behind = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = behind.split(' ').skip(11).take(2);
    ticks.filter_map(|text| text.parse::<f64>().ok()).sum()
}

/// A process's memory in bytes as its status names it; 0 when it is gone.
fn memory(pid: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix(name)?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        })
        .map_or(0, |kib: u64| kib * 1024)
}
