//! The processes of this host, as `/proc` tells of them.

use crate::checker::Place;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;

/// The argument of a wrapper's process that has let go of its launcher.
const DETACHED: &[u8] = b"--detached";

/// A wrapper that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapper {
    /// Its number.
    pub pid: u32,
    /// The machine of the run that it is for.
    pub place: Place,
}

/// The detached wrappers that were told to connect to `port` of this host.
pub fn wrappers(port: u16) -> Vec<Wrapper> {
    let url = format!("wss://127.0.0.1:{port}");
    let mut found: Vec<Wrapper> = pids()
        .filter(|pid| has_argument(*pid, DETACHED))
        .filter_map(|pid| {
            let environment = environment(pid)?;
            (environment.get("SP_WEBSOCKET_URL")? == &url).then_some(())?;
            let run = environment.get("SP_JOB_INSTANCE")?.clone();
            let machine = environment.get("SP_MACHINE_ID")?.clone();
            Some(Wrapper {
                pid,
                place: (run, machine),
            })
        })
        .collect();
    found.sort_by(|a, b| (&a.place, a.pid).cmp(&(&b.place, b.pid)));
    found
}

/// Whether the process is there and runs a command of `run`.
pub fn runs_command_of(pid: u32, run: &str) -> bool {
    let of_run = |environment: BTreeMap<String, String>| {
        environment
            .get("SP_JOB_INSTANCE_NAME")
            .is_some_and(|of| of == run)
    };
    has_argument(pid, b"saltpeter-chaos-command") && environment(pid).is_some_and(of_run)
}

/// SIGKILL. A process that is gone is not an error.
pub fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Resident memory in KiB, and open file descriptors.
pub fn size_of(pid: u32) -> Option<(u64, usize)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let rss = rss.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some((rss, descriptors))
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether one of the arguments ends so.
fn has_argument(pid: u32, end: &[u8]) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments
        .split(|byte| *byte == 0)
        .any(|argument| argument.ends_with(end))
}

fn environment(pid: u32) -> Option<BTreeMap<String, String>> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables = environment.split(|byte| *byte == 0);
    let pairs = variables.filter_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(pairs.collect())
}
