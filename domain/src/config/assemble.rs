//! From the keys of a job, read one by one, to a [`Job`]: what is missing, what contradicts what.

use super::keys::{At, JobDraft, WrittenTargets};
use super::raw::Entry;
use super::reader::Reader;
use super::validate::FileContext;
use super::written::{as_written, written};
use crate::job::{
    DEFAULT_MISSED_WINDOW, Job, LaunchWay, Overlap, SourceRef, Timeout, WrapperProtocol,
};
use crate::retry::{DEFAULT_DELAY, Retry};
use crate::schedule::{Field, Schedule, ScheduleError, Zone};
use crate::targeting::{TargetExpr, TargetType};
use chrono_tz::Tz;
use saltpeter_protocol::JobName;
use std::time::Duration;

/// Holds the keys of a job against each other. `None`, with the reasons noted, when they do not make a job.
pub(crate) fn assemble(
    draft: JobDraft,
    name: Option<JobName>,
    entry: &Entry,
    source: SourceRef,
    context: &FileContext,
    reader: &mut Reader,
) -> Option<Job> {
    note_missing(&draft, entry, reader);
    let zone = zone(&draft, reader);
    let schedule = schedule(&draft, zone, reader);
    if let Some(schedule) = &schedule {
        note_dead_schedule(schedule, &draft, entry, context, reader);
    }
    let targets = targets(&draft, reader);
    let timeout = timeout(&draft, reader);
    let overlap = overlap(&draft, reader);
    let retry = retry(&draft);
    note_without_effect(&draft, reader);
    note_exposed(&draft, entry, reader);
    Some(Job {
        name: name?,
        group: context.group.clone(),
        schedule: schedule?,
        command: draft.command?,
        targets: targets?,
        number_of_targets: draft.number_of_targets,
        batch_size: draft.batch_size,
        max_failures: draft.max_failures.as_ref().map(|limit| limit.value),
        retry,
        reconnect_grace: draft.reconnect_grace,
        timeout: timeout?,
        cwd: draft.cwd,
        user: draft.user,
        env: draft.env,
        secrets: draft.secrets,
        overlap: overlap?,
        missed: draft.missed,
        missed_window: draft.missed_window.unwrap_or(DEFAULT_MISSED_WINDOW),
        retention: draft.retention,
        launch: draft.launch,
        wrapper_path: draft.wrapper_path,
        wrapper_protocol: draft.wrapper_protocol,
        wrapper_loglevel: draft.wrapper_loglevel,
        wrapper_logdir: draft.wrapper_logdir,
        lockfile: draft.lockfile,
        server_host: draft.server_host,
        source,
        raw: as_written(entry),
    })
}

fn note_missing(draft: &JobDraft, entry: &Entry, reader: &mut Reader) {
    let has = |key: &str| written(entry).any(|entry| entry.key == key);
    let mut missing: Vec<&str> = ["command", "targets"]
        .into_iter()
        .filter(|key| !has(key))
        .collect();
    let any_field = Field::ALL.iter().any(|field| has(field.key()));
    if has("schedule") {
        if any_field && let Some(schedule) = &draft.schedule {
            let fields: Vec<&str> = Field::ALL
                .iter()
                .map(|field| field.key())
                .filter(|key| has(key))
                .collect();
            let message = format!(
                "schedule stands in place of {}; keep one or the other",
                fields.join(", ")
            );
            reader.error(&schedule.place, message);
        }
    } else if any_field {
        missing.extend(
            ["min", "hour", "dom", "mon", "dow"]
                .into_iter()
                .filter(|key| !has(key)),
        );
    } else {
        missing.push("schedule (or min, hour, dom, mon, dow)");
    }
    if !missing.is_empty() {
        let message = format!("job {:?} lacks {}", entry.key, missing.join(", "));
        reader.error(&entry.key_place, message);
    }
}

fn zone(draft: &JobDraft, reader: &mut Reader) -> Zone {
    match (&draft.utc, &draft.timezone) {
        (Some(At { value: true, place }), Some(zone)) if zone.value != Tz::UTC => {
            reader.error(
                place,
                format!(
                    "utc: true contradicts timezone: {}; keep one of them",
                    zone.value.name()
                ),
            );
            Zone::Named(Tz::UTC)
        }
        (Some(At { value: true, .. }), _) => Zone::Named(Tz::UTC),
        (_, Some(zone)) => Zone::Named(zone.value),
        _ => Zone::Default,
    }
}

fn schedule(draft: &JobDraft, zone: Zone, reader: &mut Reader) -> Option<Schedule> {
    if let Some(written) = &draft.schedule {
        return match Schedule::parse_all(&written.value, zone) {
            Ok(schedule) => Some(schedule),
            Err(errors) => {
                let lead = written
                    .value
                    .chars()
                    .take_while(|c| c.is_whitespace())
                    .count();
                for error in errors {
                    note_schedule_error(written, &error, lead, "schedule: ", reader);
                }
                None
            }
        };
    }
    let text = |field: Field, default| match &draft.fields[field as usize] {
        Some(written) => Some(written.value.as_str()),
        None => default,
    };
    let texts = [
        text(Field::Sec, Some("0"))?,
        text(Field::Min, None).unwrap_or("*"),
        text(Field::Hour, None).unwrap_or("*"),
        text(Field::Dom, None).unwrap_or("*"),
        text(Field::Mon, None).unwrap_or("*"),
        text(Field::Dow, None).unwrap_or("*"),
        text(Field::Year, Some("*"))?,
    ];
    match Schedule::from_fields(texts, zone) {
        Ok(schedule) => {
            let required = [Field::Min, Field::Hour, Field::Dom, Field::Mon, Field::Dow];
            required
                .iter()
                .all(|field| draft.fields[*field as usize].is_some())
                .then_some(schedule)
        }
        Err(errors) => {
            for error in errors {
                if let Some(field) = error.field
                    && let Some(written) = &draft.fields[field as usize]
                {
                    note_schedule_error(written, &error, 0, "", reader);
                }
            }
            None
        }
    }
}

/// Notes an error at its column within the value, where that can be told.
fn note_schedule_error(
    written: &At<String>,
    error: &ScheduleError,
    lead: usize,
    prefix: &str,
    reader: &mut Reader,
) {
    let mut place = written.place.clone();
    let quotes = place.bytes.len().checked_sub(written.value.len());
    if let (Some(quotes @ (0 | 2)), false) = (quotes, written.value.contains('\n')) {
        place.column += (quotes / 2 + lead + error.offset) as u32;
    }
    reader.error(&place, format!("{prefix}{}", error.message));
}

fn note_dead_schedule(
    schedule: &Schedule,
    draft: &JobDraft,
    entry: &Entry,
    context: &FileContext,
    reader: &mut Reader,
) {
    let place = draft
        .schedule
        .as_ref()
        .map_or(&entry.key_place, |written| &written.place);
    if !schedule.ever_fires() {
        let message = format!(
            "the schedule '{}' never fires: there is no such date",
            schedule.expression()
        );
        reader.warn(place, message);
    } else if schedule
        .next_after(context.now, context.server_zone)
        .is_none()
    {
        let message = format!(
            "the schedule '{}' will not fire again: its last date has passed",
            schedule.expression()
        );
        reader.warn(place, message);
    }
}

fn targets(draft: &JobDraft, reader: &mut Reader) -> Option<TargetExpr> {
    let At { value, place } = draft.targets.as_ref()?;
    let parsed = match (value, draft.target_type) {
        (WrittenTargets::List(names), None | Some(TargetType::List)) => {
            TargetExpr::parse(TargetType::List, &names.join(","))
        }
        (WrittenTargets::List(_), Some(_)) => {
            reader.error(
                place,
                "targets: a list is one of names; it needs target_type: list",
            );
            return None;
        }
        (WrittenTargets::Text(text), kind) => TargetExpr::parse(kind.unwrap_or_default(), text),
    };
    match parsed {
        Ok(targets) => Some(targets),
        Err(error) => {
            let mut place = place.clone();
            if let WrittenTargets::Text(text) = value
                && let Some(quotes @ (0 | 2)) = place.bytes.len().checked_sub(text.len())
                && !text.contains('\n')
            {
                place.column += (quotes / 2 + error.offset) as u32;
            }
            reader.error(&place, format!("targets: {error}"));
            None
        }
    }
}

fn timeout(draft: &JobDraft, reader: &mut Reader) -> Option<Timeout> {
    let hard = match (&draft.timeout, &draft.hard_timeout) {
        (Some(hard), Some(old)) => {
            reader.warn(
                &old.place,
                "hard_timeout is the old name of timeout, which holds; take this line out",
            );
            Some(hard.value)
        }
        (Some(hard), None) | (None, Some(hard)) => Some(hard.value),
        (None, None) => None,
    };
    let hard = hard.or(Timeout::DEFAULT.term_after());
    match (&draft.soft_timeout, hard) {
        (None, None | Some(Duration::ZERO)) => Some(Timeout::None),
        (None, Some(hard)) => Some(Timeout::After(hard)),
        (
            Some(At {
                value: Duration::ZERO,
                place,
            }),
            _,
        ) => {
            reader.error(place, "soft_timeout: must be at least 1");
            None
        }
        (Some(soft), None | Some(Duration::ZERO)) => Some(Timeout::After(soft.value)),
        (Some(At { value: soft, place }), Some(hard)) if *soft >= hard => {
            let message = format!(
                "soft_timeout: {} is not before the timeout of {} s",
                soft.as_secs(),
                hard.as_secs()
            );
            reader.error(place, message);
            None
        }
        (Some(soft), Some(hard)) => Some(Timeout::SoftHard {
            soft: soft.value,
            hard,
        }),
    }
}

fn overlap(draft: &JobDraft, reader: &mut Reader) -> Option<Overlap> {
    match (&draft.overlap, &draft.allow_overlap) {
        (
            Some(At {
                value: Overlap::Allow,
                ..
            }),
            _,
        )
        | (None, Some(_)) => Some(Overlap::Allow),
        (Some(overlap), Some(place)) => {
            let word = overlap.value.as_str();
            reader.error(
                place,
                format!("allow_overlap contradicts overlap: {word}; keep one of them"),
            );
            None
        }
        (Some(overlap), None) => Some(overlap.value),
        (None, None) => Some(Overlap::default()),
    }
}

fn retry(draft: &JobDraft) -> Option<Retry> {
    Some(Retry {
        more: draft.retries?,
        delay: draft
            .retry_delay
            .as_ref()
            .map_or(DEFAULT_DELAY, |delay| delay.value),
        backoff: draft
            .retry_backoff
            .as_ref()
            .map(|backoff| backoff.value)
            .unwrap_or_default(),
    })
}

/// Notes keys that do nothing without another.
fn note_without_effect(draft: &JobDraft, reader: &mut Reader) {
    if let (None, Some(limit)) = (draft.batch_size, &draft.max_failures) {
        reader.warn(
            &limit.place,
            "max_failures without batch_size: all machines begin at once, so it keeps none from beginning; it only ends further attempts",
        );
    }
    if draft.retries.is_some() {
        return;
    }
    let delay = draft.retry_delay.as_ref().map(|delay| &delay.place);
    let backoff = draft.retry_backoff.as_ref().map(|backoff| &backoff.place);
    for (key, place) in [("retry_delay", delay), ("retry_backoff", backoff)] {
        if let Some(place) = place {
            reader.warn(place, format!("{key} has no effect without retries"));
        }
    }
}

/// Notes values that would not stay between this server and its wrappers.
fn note_exposed(draft: &JobDraft, entry: &Entry, reader: &mut Reader) {
    let place = |key: &str| {
        let found = written(entry).find(|entry| entry.key == key);
        found.map_or(&entry.key_place, |entry| &entry.key_place)
    };
    if let Some(twice) = draft
        .secrets
        .keys()
        .find(|name| draft.env.contains_key(*name))
    {
        reader.error(
            place("secrets"),
            format!("secrets: {twice} is also in env; keep it in one of them"),
        );
    }
    let why = if draft.launch == LaunchWay::Executor {
        "with use_wrapper: false"
    } else if draft.wrapper_protocol == WrapperProtocol::V1 {
        "with wrapper_protocol: 1"
    } else {
        return;
    };
    if !draft.env.is_empty() {
        reader.warn(
            place("env"),
            format!(
                "{why} the values of env go through Salt, which keeps them in its job cache for anyone there to read, and are not masked in output; this server's wrapper fetches them from it alone"
            ),
        );
    }
    if !draft.secrets.is_empty() {
        reader.error(
            place("secrets"),
            format!(
                "secrets: {why} their values would go through Salt, which keeps them in its job cache for anyone there to read; let this server's own wrapper run the command, which fetches them from it alone"
            ),
        );
    }
}
