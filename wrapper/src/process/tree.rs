//! Everything that descends from the command. The wrapper is the reaper of orphans below it, so what
//! leaves the process group or the session is still found under the wrapper.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::collections::{HashMap, HashSet};
use std::fs;

/// Makes orphans of the command children of this process.
pub(crate) fn adopt_orphans() -> rustix::io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
}

/// Collects every child that has ended. Returns how `shell` did, if it is among them.
pub(crate) fn reap(shell: Option<Pid>) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if Some(pid) == shell && (status.exited() || status.signaled()) {
            found = Some(status);
        }
    }
    found
}

/// Who gets a signal. Found once, before it is sent, so that each gets it once and what a handler of SIGTERM starts to
/// tidy up does not get it at all.
pub(crate) struct Struck {
    group: Option<Pid>,
    /// Those that are not in `group`.
    others: HashSet<Pid>,
}

impl Struck {
    /// A whole `group`, every descendant of this process, and `more` (of them or not). The number of a group whose
    /// leader has been reaped may mean somebody else by now, so that is not a group to give.
    pub(crate) fn find(group: Option<Pid>, more: Vec<Pid>) -> Self {
        let mut others: HashSet<Pid> = living().into_iter().chain(more).collect();
        if group.is_some() {
            others.retain(|pid| rustix::process::getpgid(Some(*pid)).ok() != group);
        }
        Self { group, others }
    }

    /// Sends it.
    pub(crate) fn send(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = rustix::process::kill_process_group(group, signal);
        }
        for pid in &self.others {
            let _ = rustix::process::kill_process(*pid, signal);
        }
    }
}

/// Whether anything that descends from this process is alive.
pub(crate) fn any_living() -> bool {
    !living().is_empty()
}

/// The living (not yet ended) descendants of this process.
fn living() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<(i32, bool)>> = HashMap::new();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read(entry.path().join("stat")) else {
            continue;
        };
        if let Some((state, parent)) = state_and_parent(&stat) {
            let alive = !matches!(state, b'Z' | b'X' | b'x');
            children.entry(parent).or_default().push((pid, alive));
        }
    }
    let mut found = Vec::new();
    let mut unseen = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(pid) = unseen.pop() {
        for (child, alive) in children.remove(&pid).unwrap_or_default() {
            unseen.push(child);
            if alive {
                found.extend(Pid::from_raw(child));
            }
        }
    }
    found
}

/// `pid (name) state ppid …`: the name may hold anything, so what follows its last `)` counts.
fn state_and_parent(stat: &[u8]) -> Option<(u8, i32)> {
    let after = stat.iter().rposition(|b| *b == b')')? + 2;
    let rest = std::str::from_utf8(stat.get(after..)?).ok()?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.bytes().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some((state, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_and_spaces_is_no_trap() {
        assert_eq!(
            state_and_parent(b"42 (a) Z 1) S 7 42 42 0"),
            Some((b'S', 7))
        );
        assert_eq!(state_and_parent(b"42 (x"), None);
        assert_eq!(state_and_parent(b""), None);
    }
}
