//! Processor time of the lab's processes.

use saltpeter_testkit::SaltLab;
use std::fmt;
use std::fs;

/// Ticks a second in `/proc`, which is the same on all of Linux.
const TICKS: f64 = 100.0;

/// What was used so far, in seconds, with that of children that have ended.
pub(crate) struct Cpu {
    minions: f64,
    master: f64,
    server: f64,
}

impl Cpu {
    /// At this moment.
    pub(crate) fn of(lab: &SaltLab) -> Self {
        let lab = lab.description();
        let mut cpu = Self {
            minions: 0.0,
            master: 0.0,
            server: used("self").unwrap_or_default(),
        };
        let config = |name: &str| lab.root.join(name).display().to_string();
        let minions: Vec<String> = lab.minions.iter().map(|name| config(name)).collect();
        let master = config("master");
        let prefix = config("").len();
        for entry in fs::read_dir("/proc").unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // One that has just ended has its time in its parent.
            let Ok(line) = fs::read_to_string(format!("/proc/{name}/cmdline")) else {
                continue;
            };
            // Salt's processes write their names over this line, which may cut off its end.
            let words = || line.split(['\0', ' ']).filter(|word| word.len() > prefix);
            let is_of = |config: &String| words().any(|word| config.starts_with(word));
            let seconds = used(&name).unwrap_or_default();
            if minions.iter().any(is_of) {
                cpu.minions += seconds;
            } else if is_of(&master) {
                cpu.master += seconds;
            }
        }
        cpu
    }

    /// From `before` on.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            minions: self.minions - before.minions,
            master: self.master - before.master,
            server: self.server - before.server,
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minions,
            master,
            server,
        } = self;
        write!(
            f,
            "the minions {minions:.2} s, of master and salt-api {master:.2} s, of the server and this test {server:.2} s"
        )
    }
}

/// The processor time of a process and of its children that have ended, in seconds.
fn used(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks = after_name.split_whitespace().skip(11).take(4);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(ticks as f64 / TICKS)
}
