//! A control group (version 2) of the command's own: the kernel keeps the list of its processes, so that none gets away by
//! forking faster than it is looked for, and all are killed at once.
//!
//! It lies below the wrapper's own group. Where the wrapper may not make one (no cgroup v2, not delegated to its
//! user), the process group and the descendants are all there is; see [`super::tree`].

use crate::settings::random;
use rustix::process::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Groups of wrappers begin with this.
const PREFIX: &str = "saltpeter-";
/// Groups below a command's own are looked into this deep (container engines make some).
const DEPTH: usize = 8;
/// An empty group that is older than this is not about to be entered.
const FRESH: Duration = Duration::from_mins(1);

/// See the module. Removed when dropped, unless something lives in it: then a later wrapper removes it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    dir: PathBuf,
}

impl Cgroup {
    /// Makes one; `None` where that is not possible.
    pub(crate) fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let parent = own_group(&mounts, &own)?;
        remove_left(&parent);
        let dir = parent.join(format!(
            "{PREFIX}{}-{:08x}",
            std::process::id(),
            random() >> 32
        ));
        fs::create_dir(&dir).ok()?;
        let group = Self { dir };
        // Without this the kernel is too old to be of help (before 5.14).
        group.dir.join("cgroup.kill").exists().then_some(group)
    }

    /// Where a process enters it, by writing its number, or 0 for itself.
    pub(crate) fn entrance(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// Kills everything in it at once, what is being forked meanwhile too.
    pub(crate) fn kill(&self) {
        let _ = fs::write(self.dir.join("cgroup.kill"), "1");
    }

    /// What is in it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let mut found = Vec::new();
        collect(&self.dir, DEPTH, &mut found);
        found
    }

    /// Whether anything in it is alive.
    pub(crate) fn any_living(&self) -> bool {
        is_populated(&self.dir)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Refused by the kernel while something lives in it.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// The directory of the group that this process is in.
fn own_group(mounts: &str, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        // ID PARENT DEVICE ROOT POINT OPTIONS [more …] - TYPE SOURCE …, proc_pid_mountinfo(5)
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // A path outside of this namespace, or a name with blanks: not for us.
        if path.contains("..") || point.contains('\\') {
            return None;
        }
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

/// Removes what earlier wrappers had to leave and is empty now.
fn remove_left(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let made = entry.metadata().and_then(|data| data.modified()).ok();
        let is_old = made
            .and_then(|made| made.elapsed().ok())
            .is_some_and(|age| age > FRESH);
        if is_ours && is_old {
            // Refused by the kernel while something lives in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn is_populated(dir: &Path) -> bool {
    fs::read_to_string(dir.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

fn collect(dir: &Path, depth: usize, found: &mut Vec<Pid>) {
    let numbers = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let numbers = numbers.lines().filter_map(|line| line.parse().ok());
    // 0 stands for a process outside of our namespace.
    found.extend(numbers.filter_map(Pid::from_raw));
    if depth == 0 {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
29 23 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
30 29 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
39 29 0:36 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
";

    #[test]
    fn the_own_group_is_where_the_second_version_is_mounted() {
        let own = |mounts, own| own_group(mounts, own).map(|dir| dir.display().to_string());
        let minion = "1:cpu:/x\n0::/system.slice/salt-minion.service\n";
        assert_eq!(
            own(HYBRID, minion).as_deref(),
            Some("/sys/fs/cgroup/unified/system.slice/salt-minion.service")
        );
        let pure = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(own(pure, "0::/\n").as_deref(), Some("/sys/fs/cgroup/"));
        let part = "30 23 0:26 /pod /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            own(part, "0::/pod/a\n").as_deref(),
            Some("/sys/fs/cgroup/a")
        );
        assert_eq!(own(part, "0::/other\n"), None);
        assert_eq!(own(pure, "0::/../other\n"), None);
        assert_eq!(own(pure, "1:cpu:/\n"), None);
        assert_eq!(own("", minion), None);
    }
}
