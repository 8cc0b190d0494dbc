//! The timeline.

use super::Ops;
use saltpeter_domain::timeline::{self, Ran};
use saltpeter_protocol::api::{ApiError, Band, Lane, LaneBy, Timeline, TimelineQuery};
use std::collections::BTreeMap;

/// Lanes in an answer.
const MAX_LANES: usize = 100;
/// Runs, or machines of runs, that are looked at for one.
const MAX_RAN: u32 = 50_000;
/// How finely a span is drawn: what is closer together than a part of so many is one.
const PARTS: i64 = 1_000;
/// Times that a job is due, of which one lane tells.
const MAX_DUE: i64 = 200;

impl Ops {
    /// What ran when, and when what is due, in the span that `query` asks for.
    pub async fn timeline(&self, query: &TimelineQuery) -> Result<Timeline, ApiError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let from = query.at.unwrap_or(now) - query.span / 2;
        let to = from + query.span;
        let pixel = ((to.0 - from.0) / PARTS).max(1);

        let lasted = parts.history.lasted(query.by, (from, to), now, MAX_RAN);
        let lasted = lasted.await.map_err(|e| self.store_failed(&e))?;
        let cut = lasted.len() >= MAX_RAN as usize;
        let text = query.text.to_lowercase();
        let is_wanted = |name: &str| name.to_lowercase().contains(&text);
        let mut ran: BTreeMap<String, Vec<Ran>> = BTreeMap::new();
        for one in lasted {
            if one.ran.to > from && is_wanted(&one.lane) {
                ran.entry(one.lane).or_default().push(one.ran);
            }
        }

        let maintenance = parts.board.maintenance();
        let mut lanes: Vec<Lane> = match query.by {
            LaneBy::Machine => ran
                .into_iter()
                .take(MAX_LANES + 1)
                .map(|(name, ran)| Lane {
                    bars: timeline::bars(ran, pixel),
                    due: Vec::new(),
                    maintenance: maintenance.machines.iter().any(|m| m.as_str() == name),
                    name,
                })
                .collect(),
            LaneBy::Job => {
                let after = from.max(now);
                let jobs = parts.config.current();
                for name in jobs.jobs.keys().filter(|name| is_wanted(name.as_str())) {
                    ran.entry(name.to_string()).or_default();
                }
                let mut lanes = Vec::new();
                for (name, ran) in ran {
                    let job = jobs.jobs.get(name.as_str()).filter(|_| after < to);
                    let is_paused = || {
                        let name = job.map(|job| &job.name);
                        let row = name.and_then(|name| parts.board.row(name));
                        row.is_some_and(|row| row.paused.is_some())
                    };
                    let due = match job {
                        Some(job) if !is_paused() => {
                            let next = |at| job.schedule.next_after(at, jobs.default_zone);
                            timeline::due(next, (after, to), (to.0 - from.0) / MAX_DUE)
                        }
                        _ => Vec::new(),
                    };
                    if ran.is_empty() && due.is_empty() {
                        continue;
                    }
                    lanes.push(Lane {
                        bars: timeline::bars(ran, pixel),
                        due,
                        maintenance: job.is_some_and(|job| maintenance.groups.contains(&job.group)),
                        name,
                    });
                    if lanes.len() > MAX_LANES {
                        break;
                    }
                }
                lanes
            }
        };
        let more = lanes.len() > MAX_LANES;
        lanes.truncate(MAX_LANES);
        let window = parts
            .config
            .current()
            .maintenance
            .window(maintenance.global_since);
        Ok(Timeline {
            from,
            to,
            now,
            lanes,
            more,
            cut,
            maintenance: window.map(|(from, to)| Band { from, to }),
        })
    }
}
