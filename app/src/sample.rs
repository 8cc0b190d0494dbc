//! Views for tests.

use saltpeter_protocol::api::{
    Counts, JobRow, MachineRow, MaintenanceView, OutputLength, Overview, RunDetail, RunSummary,
    ServerView,
};
use saltpeter_protocol::{
    Attempt, JobName, MachineId, MachineState, RunCause, RunId, RunState, UnixMillis,
};
use std::sync::Arc;

pub(crate) const NOW: UnixMillis = UnixMillis(1_795_435_327_041);

pub(crate) fn job(name: &str) -> JobRow {
    JobRow {
        name: JobName::new(name).unwrap(),
        group: "db".to_owned(),
        schedule: "02:00 daily".to_owned(),
        command: "/usr/local/bin/backup".to_owned(),
        targets: "web*".to_owned(),
        target_type: "glob".to_owned(),
        next: Some(UnixMillis(NOW.0 + 3_600_000)),
        paused: None,
        last: None,
        active: Vec::new(),
        recent: Vec::new(),
        config: Vec::new(),
    }
}

pub(crate) fn overview(names: &[&str]) -> Overview {
    Overview {
        jobs: names.iter().map(|name| job(name)).collect(),
        problems: Vec::new(),
        maintenance: MaintenanceView::default(),
        troubles: Vec::new(),
        server: ServerView {
            version: "0.1.0".to_owned(),
            now: NOW,
            timezone: "UTC".to_owned(),
            confirm_above: 10,
            editor: true,
        },
    }
}

pub(crate) fn summary(id: &str, state: RunState) -> RunSummary {
    RunSummary {
        id: RunId::new(id).unwrap(),
        job: JobName::new(id.split('_').next().unwrap()).unwrap(),
        cause: RunCause::Manual {
            by: "me".to_owned(),
        },
        state,
        created: NOW,
        counts: Counts::default(),
        running_on: Vec::new(),
        kill: None,
        stopped: None,
    }
}

pub(crate) fn run(id: &str, machines: &[&str]) -> RunDetail {
    RunDetail {
        summary: summary(id, RunState::Running),
        machines: machines
            .iter()
            .map(|name| MachineRow {
                machine: MachineId::new(*name).unwrap(),
                state: MachineState::Running { since: NOW },
                pid: None,
                output: OutputLength::default(),
                kill: None,
                attempt: Attempt::FIRST,
                earlier: Vec::new(),
                replaced: None,
            })
            .map(Arc::new)
            .collect(),
        config: Vec::new(),
        command: "true".to_owned(),
        attempts: Attempt::FIRST,
        group: String::new(),
    }
}
