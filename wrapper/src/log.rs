//! The wrapper's own log on its machine. It never stands in the way: what cannot be written is not.

use chrono::{DateTime, SecondsFormat};
use saltpeter_protocol::launch::{Launch, WrapperLogLevel};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::settings::{Attachment, wall_clock};

/// A log file of this size is set aside as `<job>.log.1` before the next wrapper writes to it.
const ROTATE_AT: u64 = 10 * 1024 * 1024;

/// One file for each job, `<dir>/<job>.log`; every line names its run, machine and process.
pub(crate) struct Log {
    file: Option<File>,
    level: WrapperLogLevel,
    attachment: Attachment,
    who: String,
}

impl Log {
    pub(crate) fn open(launch: &Launch, attachment: Attachment) -> Self {
        let wanted = launch.log_level != WrapperLogLevel::Off;
        Self {
            file: launch
                .log_dir
                .as_ref()
                .filter(|_| wanted)
                .and_then(|dir| open(Path::new(dir), launch.job.as_str())),
            level: launch.log_level,
            attachment,
            who: format!("{} {} [{}]", launch.run, launch.machine, std::process::id()),
        }
    }

    /// Events of the life cycle.
    pub(crate) fn event(&self, text: impl Display) {
        if self.level != WrapperLogLevel::Off {
            self.write(&text);
        }
    }

    /// Every message.
    pub(crate) fn debug(&self, text: impl Display) {
        if self.level == WrapperLogLevel::Debug {
            self.write(&text);
        }
    }

    fn write(&self, text: &dyn Display) {
        if self.file.is_none() && self.attachment == Attachment::Detached {
            return;
        }
        let now = DateTime::from_timestamp_millis(wall_clock().0).unwrap_or_default();
        let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        // One write, so that lines of several wrappers stay whole.
        let line = format!("{now} {} {text}\n", self.who);
        if let Some(mut file) = self.file.as_ref() {
            let _ = file.write_all(line.as_bytes());
        }
        if self.attachment == Attachment::Foreground {
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

fn open(dir: &Path, job: &str) -> Option<File> {
    fs::create_dir_all(dir).ok()?;
    let path = dir.join(format!("{job}.log"));
    if fs::metadata(&path).is_ok_and(|found| found.len() >= ROTATE_AT) {
        let _ = fs::rename(&path, dir.join(format!("{job}.log.1")));
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .ok()
}
