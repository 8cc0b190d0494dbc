//! The processes of a lab. Each carries a mark in its environment, which everything that it starts inherits, so that
//! they are found without any record: Salt's jobs leave the process group of their minion, and a record can be lost.

use crate::Process;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The environment variable that marks a lab's processes: the lab's root, a colon, the process's name.
pub const MARK: &str = "SALTPETER_SALT_LAB_PROCESS";

/// How long a killed process may take to be gone.
const KILLED: Duration = Duration::from_secs(10);
/// How often it is looked whether a process is gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn mark(root: &Path, name: &str) -> String {
    format!("{MARK}={}:{name}", root.display())
}

pub(crate) fn start(root: &Path, name: &str, process: &Process) -> Result<()> {
    if is_running(root, name)? {
        return Ok(());
    }
    let [program, args @ ..] = process.command.as_slice() else {
        bail!("the lab's description has no command for {name}");
    };
    // Salt refuses to start while a process of the number in one exists, and a killed one does until it is reaped.
    for file in process.pid_files.iter().filter(|file| file.exists()) {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let console = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&process.console)
        .with_context(|| format!("cannot write {}", process.console.display()))?;
    let (key, value) = (MARK, format!("{}:{name}", root.display()));
    let child = Command::new(program)
        .args(args)
        .env(key, value)
        // Salt writes its title over its arguments; without this, over its environment too, and the mark is lost.
        .env("SPT_NOENV", "1")
        .env_remove("SALT_CONFIG_DIR")
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let record = group_file(root, name);
    fs::write(&record, child.id().to_string())
        .with_context(|| format!("cannot write {}", record.display()))
}

pub(crate) fn is_running(root: &Path, name: &str) -> Result<bool> {
    Ok(!group(root, name)?.is_empty())
}

pub(crate) fn kill(root: &Path, name: &str) -> Result<()> {
    let group = group(root, name)?;
    let Some(leader) = recorded(root, name).filter(|_| !group.is_empty()) else {
        return Ok(());
    };
    // Already gone is what is wanted.
    let _ = kill_process_group(leader, Signal::KILL);
    let deadline = Instant::now() + KILLED;
    while is_running(root, name)? {
        if Instant::now() >= deadline {
            bail!("{name} runs on in spite of SIGKILL");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

pub(crate) fn end_all(root: &Path, grace: Duration) -> Result<()> {
    let mark = mark(root, "");
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, KILLED)] {
        let deadline = Instant::now() + patience;
        signal_all(&mark, signal)?;
        loop {
            let left = marked(&mark)?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            if signal == Signal::KILL {
                // One that forked as it was looked for.
                signal_all(&mark, signal)?;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    bail!(
        "processes of the Salt lab run on in spite of SIGKILL: {:?}",
        marked(&mark)?
    )
}

fn signal_all(mark: &str, signal: Signal) -> Result<()> {
    for pid in marked(mark)? {
        // One that ended meanwhile needs no signal.
        let _ = kill_process(pid, signal);
    }
    Ok(())
}

/// The processes of a name that are still in the group they were started in.
fn group(root: &Path, name: &str) -> Result<Vec<Pid>> {
    let Some(leader) = recorded(root, name) else {
        return Ok(Vec::new());
    };
    let mut found = marked(&mark(root, name))?;
    found.retain(|pid| rustix::process::getpgid(Some(*pid)) == Ok(leader));
    Ok(found)
}

/// The process group that was started last under this name.
fn recorded(root: &Path, name: &str) -> Option<Pid> {
    let text = fs::read_to_string(group_file(root, name)).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

fn group_file(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}.group"))
}

/// The live processes with an environment entry that begins with `mark`.
fn marked(mark: &str) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // One that has ended since, a zombie, or someone else's.
        let Ok(environment) = fs::read(entry.path().join("environ")) else {
            continue;
        };
        let ours = environment
            .split(|byte| *byte == 0)
            .any(|entry| entry.starts_with(mark.as_bytes()));
        found.extend(Pid::from_raw(pid).filter(|_| ours));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(root: &Path, script: &str) -> Process {
        Process {
            command: vec!["/bin/sh".into(), "-c".into(), script.into()],
            pid_files: vec![root.join("pid")],
            console: root.join("console.log"),
        }
    }

    fn until(what: impl Fn() -> bool) {
        let deadline = Instant::now() + KILLED;
        while !what() {
            assert!(Instant::now() < deadline, "it did not happen");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn a_killed_process_leaves_what_it_detached_and_the_end_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let script = "setsid sleep 60 & sleep 60 & touch ready; wait";
        start(root, "m", &shell(root, script)).unwrap();
        until(|| root.join("ready").exists());
        assert!(is_running(root, "m").unwrap());
        until(|| marked(&mark(root, "m")).unwrap().len() == 3);
        kill(root, "m").unwrap();
        assert!(!is_running(root, "m").unwrap());
        assert_eq!(marked(&mark(root, "m")).unwrap().len(), 1);
        end_all(root, KILLED).unwrap();
        assert!(marked(&mark(root, "m")).unwrap().is_empty());
    }

    #[test]
    fn one_that_ignores_sigterm_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let script = "trap '' TERM; touch ready; while :; do sleep 1; done";
        start(root, "m", &shell(root, script)).unwrap();
        until(|| root.join("ready").exists());
        end_all(root, Duration::from_millis(50)).unwrap();
        assert!(!is_running(root, "m").unwrap());
    }
}
