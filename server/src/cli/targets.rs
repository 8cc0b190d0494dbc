//! `saltpeter check --targets`: when each job would fire, and on which machines.

use crate::boot;
use crate::clock::{Clock, SystemClock};
use crate::config_watch::Config;
use crate::view;
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{FireTime, JobPreview, TargetRow, TargetVerdict};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::sync::watch;

/// Jobs whose machines are asked for at a time.
const JOBS_AT_ONCE: usize = 8;

/// What each valid job of `set` would do after `after`, with the machines as they are now.
pub(super) fn previews(set: JobSet, after: UnixMillis) -> Result<Vec<JobPreview>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start its threads")?;
    let set = Arc::new(set);
    let previews = runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = Config::of(watch::channel(Arc::clone(&set)).1);
        // Nothing is launched, so that no wrapper looks for this address.
        let nowhere = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (executor, _) = boot::executor(&config, &set.settings, nowhere, &clock, None)?;
        let preview = async |job: &Arc<Job>| {
            let now = clock.now();
            let machines = executor.explain(&job.targets, &set.maintenance, now).await;
            let machines = machines.map_err(|error| error.to_string());
            view::job_preview(job, set.default_zone, after, machines)
        };
        let jobs = set.jobs.values().map(preview);
        let previews = futures::stream::iter(jobs).buffered(JOBS_AT_ONCE);
        Ok(previews.collect().await)
    });
    // What Salt's connections still do is of no interest.
    runtime.shutdown_background();
    previews
}

/// The previews for people, a paragraph each.
pub(super) fn lines(previews: &[JobPreview]) -> String {
    let mut text = String::new();
    for preview in previews {
        // Writing into a String cannot fail.
        let _ = paragraph(&mut text, preview);
    }
    text
}

fn paragraph(text: &mut String, preview: &JobPreview) -> std::fmt::Result {
    let JobPreview {
        job,
        schedule,
        expression,
        timezone,
        upcoming,
        takes,
        machines,
    } = preview;
    let words = if schedule == expression {
        String::new()
    } else {
        format!("{schedule} = ")
    };
    writeln!(text, "{job}: {words}{expression} in {timezone}")?;
    if upcoming.is_empty() {
        writeln!(text, "  never fires again")?;
    }
    for FireTime { local, dst, .. } in upcoming {
        let note = dst.map_or(String::new(), |mark| format!("  DST: {}", mark.sentence()));
        writeln!(text, "  {local}{note}")?;
    }
    match machines {
        Err(reason) => writeln!(text, "  its machines cannot be found out: {reason}")?,
        Ok(rows) => {
            let is_in = |row: &&TargetRow| row.verdict == TargetVerdict::Included;
            let count = rows.iter().filter(is_in).count();
            let takes = takes.map_or(String::new(), |takes| {
                format!("; a run takes {takes}, chosen at random")
            });
            writeln!(text, "  {count} of {} machines match{takes}", rows.len())?;
            for row in rows {
                writeln!(text, "  {}", machine(row))?;
            }
        }
    }
    writeln!(text)
}

fn machine(row: &TargetRow) -> String {
    let TargetRow {
        machine,
        verdict,
        reason,
    } = row;
    match (verdict, reason) {
        (TargetVerdict::Included, _) => format!("+ {machine}"),
        (verdict, None) => format!("- {machine}: {}", verdict.label()),
        (verdict, Some(reason)) => format!("- {machine}: {}: {reason}", verdict.label()),
    }
}
