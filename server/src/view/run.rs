//! A run as its page shows it.

use super::set_output;
use saltpeter_domain::run::Run;
use saltpeter_domain::secret::MASK;
use saltpeter_protocol::api::{ConfigEntry, OutputLength, RunDetail};
use saltpeter_protocol::{Attempt, MachineId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The run with its machines and the settings it was begun with. `lengths` are those of its machines' output, and `group` is
/// the one that its job is of now, if a file still has the job.
pub fn run_detail(
    run: &Run,
    lengths: &BTreeMap<(MachineId, Attempt), OutputLength>,
    group: Option<&str>,
) -> RunDetail {
    let machines = run.machines().keys().filter_map(|machine| {
        let mut row = run.machine_row(machine, OutputLength::default())?;
        set_output(&mut row, lengths);
        Some(Arc::new(row))
    });
    RunDetail {
        summary: run.summary(),
        machines: machines.collect(),
        config: config(run),
        command: run.spec().command.clone(),
        attempts: run.spec().last_attempt(),
        group: group.unwrap_or_default().to_owned(),
    }
}

fn config(run: &Run) -> Vec<ConfigEntry> {
    let spec = run.spec();
    let mut entries = Vec::new();
    let mut entry = |key: &str, value: String| {
        entries.push(ConfigEntry {
            key: key.to_owned(),
            value,
        });
    };
    entry("group", spec.group.clone());
    entry("targets", spec.targets.text().to_owned());
    if let Ok(serde_json::Value::String(kind)) = serde_json::to_value(spec.targets.target_type()) {
        entry("target_type", kind);
    }
    if let Some(number) = spec.number_of_targets {
        entry("number_of_targets", number.to_string());
    }
    if let Some(size) = spec.batch_size {
        entry("batch_size", size.to_string());
    }
    if let Some(limit) = spec.max_failures {
        entry("max_failures", limit.to_string());
    }
    if let Some(retry) = spec.retry {
        entry("retries", retry.more.to_string());
        entry("retry_delay", retry.delay.as_secs().to_string());
        entry("retry_backoff", retry.backoff.as_str().to_owned());
    }
    entry("timeout", spec.timeout.to_string());
    if let Some(cwd) = &spec.cwd {
        entry("cwd", cwd.clone());
    }
    if let Some(user) = &spec.user {
        entry("user", user.clone());
    }
    for name in spec.env.keys() {
        entry(&format!("env.{name}"), MASK.to_owned());
    }
    for (name, source) in &spec.secrets {
        entry(&format!("secrets.{name}"), source.to_string());
    }
    entry("overlap", spec.overlap.as_str().to_owned());
    if let Some(only) = &run.head().only {
        let names: Vec<&str> = only
            .iter()
            .map(saltpeter_protocol::MachineId::as_str)
            .collect();
        entry("only", names.join(", "));
    }
    entries
}
