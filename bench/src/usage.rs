//! Who has had the processors during a measurement.

use crate::server::{Server, TICKS};
use std::time::Duration;

/// Taken at the beginning.
pub(crate) struct Usage {
    server: Duration,
    own: f64,
    busy: f64,
    all: f64,
}

/// Since then.
pub(crate) struct Spent {
    /// The server's processor time.
    pub(crate) server: Duration,
    /// The share (0 to 1) of all processors that neither the server nor this process has had.
    pub(crate) others: f64,
}

impl Usage {
    pub(crate) fn of(server: &Server) -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = first
            .split(' ')
            .filter_map(|text| text.parse().ok())
            .collect();
        let all = ticks.iter().take(8).sum();
        // Idle, and waiting for the disk.
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        Self {
            server: server.processor_time(),
            own: crate::server::processor_ticks("self"),
            busy: all - idle,
            all,
        }
    }

    pub(crate) fn until_now(&self, server: &Server) -> Spent {
        let now = Self::of(server);
        let spent = now.server - self.server;
        let ours = spent.as_secs_f64() * TICKS + now.own - self.own;
        let others = (now.busy - self.busy - ours) / (now.all - self.all);
        Spent {
            server: spent,
            others: others.max(0.0),
        }
    }
}
