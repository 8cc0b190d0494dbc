//! What the pages show, made from what is in force. No IO.

mod run;

pub use run::run_detail;

use chrono_tz::Tz;
use saltpeter_domain::config::{self, FileState, JobSet, Settings};
use saltpeter_domain::job::LaunchWay;
use saltpeter_domain::schedule::DstNote;
use saltpeter_domain::{Job, Maintenance};
use saltpeter_protocol::api::{
    ConfigEntry, ConfigFile, ConfigFileState, DstMark, FireTime, JobPreview, JobRow, MachineRow,
    MaintenanceView, OutputLength, Problem, Severity, TargetRow,
};
use saltpeter_protocol::{Attempt, MachineId, UnixMillis};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// How many fire times a job's page and a preview show.
const UPCOMING: usize = 20;

/// A job's row without its runs.
pub fn job_row(job: &Job, zone: Tz, now: UnixMillis) -> JobRow {
    JobRow {
        name: job.name.clone(),
        group: job.group.clone(),
        schedule: job.schedule.words(),
        command: job.command.clone(),
        targets: job.targets.text().to_owned(),
        target_type: job.targets.target_type().as_str().to_owned(),
        next: job.schedule.next_after(now, zone),
        paused: None,
        last: None,
        active: Vec::new(),
        recent: Vec::new(),
        config: job
            .raw
            .iter()
            .map(|(key, value)| entry(key, value))
            .collect(),
    }
}

/// Notes how much output each attempt of a machine has.
pub fn set_output(row: &mut MachineRow, lengths: &BTreeMap<(MachineId, Attempt), OutputLength>) {
    for attempt in row.attempts() {
        let key = (row.machine.clone(), attempt);
        row.set_output(attempt, lengths.get(&key).copied().unwrap_or_default());
    }
}

/// Every key of a job with the value that it has in the end.
pub fn effective(job: &Job, settings: &Settings, zone: Tz) -> Vec<ConfigEntry> {
    let spec = job.freeze(settings);
    let count = |number: Option<NonZeroU32>, none: &str| {
        number.map_or_else(|| none.to_owned(), |number| number.to_string())
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let mut entries = vec![
        entry("command", &spec.command),
        entry("schedule", job.schedule.expression()),
        entry("timezone", job.schedule.zone(zone).name()),
        entry("targets", spec.targets.text()),
        entry("target_type", spec.targets.target_type().as_str()),
        entry("number_of_targets", &count(spec.number_of_targets, "all")),
        entry("batch_size", &count(spec.batch_size, "all at once")),
        entry(
            "max_failures",
            &spec
                .max_failures
                .map_or_else(|| "no limit".to_owned(), |limit| limit.to_string()),
        ),
        entry("retries", &count(spec.retry.map(|retry| retry.more), "0")),
        entry("timeout", &spec.timeout.to_string()),
        entry("overlap", spec.overlap.as_str()),
        entry("missed", job.missed.as_str()),
        entry(
            "missed_window",
            &format!("{} s", job.missed_window.as_secs()),
        ),
        entry(
            "reconnect_grace",
            &format!("{} s", job.reconnect_grace(settings).as_secs()),
        ),
        entry("cwd", &text(&spec.cwd)),
        entry("user", &text(&spec.user)),
        entry(
            "use_wrapper",
            &(spec.launch == LaunchWay::Wrapper).to_string(),
        ),
        entry("wrapper_path", &spec.wrapper.path),
        entry("wrapper_protocol", spec.wrapper.protocol.as_str()),
        entry("wrapper_loglevel", spec.wrapper.loglevel.as_str()),
        entry("wrapper_logdir", &spec.wrapper.logdir),
        entry("lockfile", &text(&spec.wrapper.lockfile)),
        entry("saltpeter_server_host", &text(&spec.server_host)),
    ];
    if let Some(retry) = spec.retry {
        let delay = format!("{} s", retry.delay.as_secs());
        entries.push(entry("retry_delay", &delay));
        entries.push(entry("retry_backoff", retry.backoff.as_str()));
    }
    // `Secret` shows itself masked.
    let env = spec
        .env
        .iter()
        .map(|(name, value)| entry(&format!("env.{name}"), &value.to_string()));
    entries.extend(env);
    let secrets = spec
        .secrets
        .iter()
        .map(|(name, source)| entry(&format!("secrets.{name}"), &source.to_string()));
    entries.extend(secrets);
    entries
}

fn entry(key: &str, value: &str) -> ConfigEntry {
    ConfigEntry {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// A job's next fire times.
pub fn upcoming(job: &Job, zone: Tz, now: UnixMillis) -> Vec<FireTime> {
    let times = job.schedule.preview(now, zone, UPCOMING);
    times
        .into_iter()
        .map(|time| FireTime {
            at: time.at,
            local: time.time,
            dst: time.dst.and_then(|note| match note {
                DstNote::AfterGap => Some(DstMark::MovedByGap),
                DstNote::FirstPass => Some(DstMark::FirstOfTwo),
                DstNote::SecondPass => None,
            }),
        })
        .collect()
}

/// What a job would do from `now` on. `machines` is what matches, or why that is not known.
pub fn job_preview(
    job: &Job,
    zone: Tz,
    now: UnixMillis,
    machines: Result<Vec<TargetRow>, String>,
) -> JobPreview {
    JobPreview {
        job: job.name.clone(),
        schedule: job.schedule.words(),
        expression: job.schedule.expression().to_owned(),
        timezone: job.schedule.zone(zone).name().to_owned(),
        upcoming: upcoming(job, zone, now),
        takes: job.number_of_targets.map(NonZeroU32::get),
        machines,
    }
}

/// A problem; `last_good` tells whether an earlier version of its file is in force.
pub fn problem(problem: &config::Problem, last_good: bool) -> Problem {
    Problem {
        file: problem.file.to_string(),
        line: problem.line,
        column: problem.column,
        severity: match problem.severity {
            config::Severity::Error => Severity::Error,
            config::Severity::Warning => Severity::Warning,
        },
        message: problem.message.clone(),
        job: problem.job.clone(),
        last_good_in_force: last_good,
    }
}

/// Everything wrong with the configuration.
pub fn problems(jobs: &JobSet) -> Vec<Problem> {
    let last_good = |file: &str| {
        jobs.files
            .iter()
            .any(|known| &*known.name == file && known.state == FileState::LastGood)
    };
    let row = |found: &config::Problem| problem(found, last_good(&found.file));
    jobs.problems.iter().map(row).collect()
}

/// The files of the configuration.
pub fn files(jobs: &JobSet) -> Vec<ConfigFile> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let file = |file: &config::FileInfo| ConfigFile {
        name: file.name.to_string(),
        jobs: count(file.jobs),
        loaded: file.loaded_at,
        errors: count(file.errors),
        warnings: count(file.warnings),
        state: match file.state {
            FileState::Current => ConfigFileState::InForce,
            FileState::LastGood => ConfigFileState::LastGoodInForce,
            FileState::Partial => ConfigFileState::PartlyInForce,
            FileState::Rejected => ConfigFileState::NotInForce,
        },
    };
    jobs.files.iter().map(file).collect()
}

/// Maintenance as it is in force at `now`; `seen_since` is when this server first saw it on.
pub fn maintenance(
    maintenance: &Maintenance,
    seen_since: Option<UnixMillis>,
    now: UnixMillis,
) -> MaintenanceView {
    let global = maintenance.is_global(now);
    let in_force = maintenance.in_force(now);
    MaintenanceView {
        global,
        global_since: maintenance.since.or(seen_since).filter(|_| global),
        groups: in_force.groups.into_iter().collect(),
        until: maintenance.until.filter(|until| *until > now),
        machines: in_force.machines.into_iter().collect(),
        reason: maintenance.reason.clone(),
        by: maintenance.by.clone(),
    }
}
