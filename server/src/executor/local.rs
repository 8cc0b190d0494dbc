//! The local executor: one real wrapper process on this host for each machine name of `local_machines`.

use super::beside::beside;
use super::{Answer, Direct, DirectNews, Executor, ExecutorError, LaunchNews, Matching};
use crate::config_watch::Config;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use saltpeter_domain::targeting::{NeedsSalt, Verdict};
use saltpeter_domain::{Maintenance, Settings, TargetExpr};
use saltpeter_protocol::api::{TargetRow, TargetVerdict};
use saltpeter_protocol::launch::{Launch, var};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio::sync::mpsc;

/// Wrapper processes that are being started at a time.
const STARTS_AT_ONCE: usize = 16;

/// How long a wrapper may take to detach.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Bytes that are told of what a wrapper says when it cannot start.
const MAX_COMPLAINT: u64 = 8 * 1024;

/// What a wrapper, and with it the command, gets of this process's environment.
const KEPT: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
];

/// Starts wrappers on this host.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    config: Config,
    /// Where the machines' port listens.
    listens_on: IpAddr,
    /// How many files a command may have open at first; `None`: as many as this process.
    open_files: Option<u64>,
}

impl LocalExecutor {
    /// An executor for the machines that `config` lists at each moment.
    pub fn new(config: Config, listens_on: IpAddr, open_files: Option<u64>) -> Self {
        Self {
            config,
            listens_on,
            open_files,
        }
    }
}

impl From<NeedsSalt> for ExecutorError {
    fn from(error: NeedsSalt) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Executor for LocalExecutor {
    fn describe(&self) -> String {
        let machines = self.config.current().settings.local_machines.len();
        format!("local: wrappers run on this host under {machines} machine names")
    }

    fn server_host(&self, _configured: Option<&str>) -> String {
        // The wrapper is on this very host, whatever name others find it by.
        match self.listens_on {
            IpAddr::V4(addr) if addr.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(addr) if addr.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V4(addr) => addr.to_string(),
            IpAddr::V6(addr) => format!("[{addr}]"),
        }
    }

    fn is_this_host(&self) -> bool {
        true
    }

    fn resolve<'a>(
        &'a self,
        targets: &'a TargetExpr,
    ) -> BoxFuture<'a, Result<Matching, ExecutorError>> {
        Box::pin(async move {
            let settings = &self.config.current().settings;
            let up = targets.select(&settings.local_machines)?;
            Ok(Matching {
                expected: up.clone(),
                answers: futures::stream::iter(up).map(Answer::Up).boxed(),
            })
        })
    }

    fn launch<'a>(
        &'a self,
        launches: Vec<Launch>,
        path: &'a str,
        news: mpsc::Sender<LaunchNews>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let wrapper = wrapper(Path::new(path), std::env::current_exe().ok().as_deref());
            futures::stream::iter(launches)
                .for_each_concurrent(STARTS_AT_ONCE, |launch| {
                    let (wrapper, news) = (&wrapper, &news);
                    async move {
                        let started = match wrapper {
                            Ok(wrapper) => start(wrapper, &launch, self.open_files).await,
                            Err(error) => Err(error.clone()),
                        };
                        if let Err(error) = started {
                            // Nobody listens any more when the server stops.
                            let _ = news.send(LaunchNews::ended(launch.machine, error)).await;
                        }
                    }
                })
                .await;
        })
    }

    fn run(&self, order: Direct, news: mpsc::Sender<DirectNews>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for machine in order.machines {
                let message = "use_wrapper: false lets Salt run the command, and this server works without Salt; take the line out to run it by a wrapper.";
                let failed = DirectNews::Failed(machine, message.to_owned());
                // Nobody listens any more when the server stops.
                let _ = news.send(failed).await;
            }
        })
    }

    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>> {
        Box::pin(async {
            let jobs = self.config.current();
            jobs.settings.local_machines.keys().cloned().collect()
        })
    }

    fn explain<'a>(
        &'a self,
        targets: &'a TargetExpr,
        maintenance: &'a Maintenance,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<Vec<TargetRow>, ExecutorError>> {
        Box::pin(async move {
            let settings = &self.config.current().settings;
            let verdicts = targets.explain(&settings.local_machines, maintenance, now)?;
            let row = |(machine, verdict)| {
                let (verdict, reason) = match verdict {
                    Verdict::Taken => (TargetVerdict::Included, None),
                    Verdict::Maintenance => (TargetVerdict::Maintenance, None),
                    Verdict::NotMatched { reason } => (TargetVerdict::NotMatched, Some(reason)),
                };
                TargetRow {
                    machine,
                    verdict,
                    reason,
                }
            };
            Ok(verdicts.into_iter().map(row).collect())
        })
    }
}

/// The wrapper to start: the one that is configured, or, where that is only the default and absent, the one
/// beside the server.
fn wrapper(configured: &Path, server: Option<&Path>) -> Result<PathBuf, ExecutorError> {
    if configured.is_file() {
        return Ok(configured.to_owned());
    }
    if configured != Path::new(&Settings::default().default_wrapper_path) {
        return Err(ExecutorError::Failed(format!(
            "there is no wrapper at {}; correct wrapper_path or default_wrapper_path",
            configured.display()
        )));
    }
    match beside(server) {
        Some(found) if found.is_file() => Ok(found),
        _ => Err(ExecutorError::Failed(format!(
            "there is no wrapper at {}, nor beside the server; install saltpeter-wrapper there, or set default_wrapper_path",
            configured.display()
        ))),
    }
}

async fn start(
    wrapper: &Path,
    launch: &Launch,
    open_files: Option<u64>,
) -> Result<(), ExecutorError> {
    let kept = KEPT
        .into_iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let dir = home.filter(|home| home.is_dir());
    let mut command = Command::new(wrapper);
    command
        .env_clear()
        .envs(kept)
        .envs(launch.to_env())
        .envs(open_files.map(|most| (var::OPEN_FILES, most.to_string())))
        .current_dir(dir.unwrap_or_else(|| PathBuf::from("/")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let error =
        |problem: String| ExecutorError::Failed(format!("{}: {problem}", wrapper.display()));
    let mut child = command
        .spawn()
        .map_err(|e| error(format!("cannot be started: {e}")))?;
    let complaint = complaint(child.stderr.take());
    let ending = async { tokio::join!(child.wait(), complaint) };
    let (status, said) = tokio::time::timeout(START_LIMIT, ending)
        .await
        .map_err(|_| error(format!("did not detach within {START_LIMIT:?}")))?;
    let status = status.map_err(|e| error(format!("cannot be waited for: {e}")))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let said = said.trim();
    Err(error(if said.is_empty() {
        format!("ended with {status}")
    } else {
        said.to_owned()
    }))
}

/// What a wrapper says when it cannot start, or as much of it as is told. Whatever goes on after that writes to nobody.
async fn complaint(stderr: Option<ChildStderr>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(stderr) = stderr {
        // What could not be read is not told.
        let _ = stderr.take(MAX_COMPLAINT).read_to_end(&mut said).await;
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_protocol::launch::WrapperLogLevel;
    use saltpeter_protocol::{JobName, RunId};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn launch(machine: &str) -> Launch {
        Launch {
            url: "ws://127.0.0.1:1".to_owned(),
            job: JobName::new("j").unwrap(),
            run: RunId::new("j_1").unwrap(),
            machine: MachineId::new(machine).unwrap(),
            token: None,
            tls_pin: None,
            log_level: WrapperLogLevel::Off,
            log_dir: None,
            retain: Duration::from_hours(24),
            command: None,
        }
    }

    #[test]
    fn the_wrapper_beside_the_server_stands_in_for_the_default_only() {
        let dir = tempfile::tempdir().unwrap();
        let server = dir.path().join("saltpeter");
        let default = Settings::default().default_wrapper_path;
        let missing = wrapper(Path::new("/no/such/wrapper"), Some(&server)).unwrap_err();
        assert!(
            missing.to_string().contains("/no/such/wrapper"),
            "{missing}"
        );
        if !Path::new(&default).exists() {
            let missing = wrapper(Path::new(&default), Some(&server)).unwrap_err();
            assert!(missing.to_string().contains("default_wrapper_path"));
            let beside = script(dir.path(), "saltpeter-wrapper", "true");
            assert_eq!(wrapper(Path::new(&default), Some(&server)), Ok(beside));
        }
    }

    #[tokio::test]
    async fn a_wrapper_gets_its_orders_and_little_else() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("env");
        let path = script(dir.path(), "w", &format!("env > {}", out.display()));
        start(&path, &launch("web1"), None).await.unwrap();
        let env = fs::read_to_string(out).unwrap();
        assert!(env.contains("SP_MACHINE_ID=web1"), "{env}");
        assert!(!env.contains("CARGO"), "{env}");
    }

    #[tokio::test]
    async fn what_a_failing_wrapper_says_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "w", "echo 'no disk' >&2; exit 1");
        let error = start(&path, &launch("web1"), None).await.unwrap_err();
        assert!(error.to_string().ends_with("w: no disk"), "{error}");
    }

    #[tokio::test]
    async fn of_what_a_program_says_without_end_only_the_beginning_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "w", "yes 'this is no wrapper' >&2; exit 1");
        let error = start(&path, &launch("web1"), None)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("this is no wrapper"), "{error}");
        let bound = MAX_COMPLAINT as usize + path.as_os_str().len() + 10;
        assert!(error.len() <= bound, "{} bytes", error.len());
    }
}
