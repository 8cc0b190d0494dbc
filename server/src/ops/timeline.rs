//! The timeline.

use super::Ops;
use saltpeter_domain::maintenance::past::{self, Change};
use saltpeter_domain::timeline::{self, Ran};
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{ApiError, Band, Held, Lane, LaneBy, Timeline, TimelineQuery};
use std::collections::BTreeMap;

/// Lanes in an answer.
const MAX_LANES: usize = 100;
/// Runs, or machines of runs, that are looked at for one.
const MAX_RAN: u32 = 50_000;
/// How finely a span is drawn: what is closer together than a part of so many is one.
const PARTS: i64 = 1_000;
/// Times that a job is due, of which one lane tells.
const MAX_DUE: i64 = 200;
/// Bands of maintenance in an answer; of more, the newest.
const MAX_BANDS: usize = 500;

/// What is drawn.
#[derive(Clone, Copy)]
struct Span {
    from: UnixMillis,
    to: UnixMillis,
    now: UnixMillis,
}

impl Span {
    fn length(self) -> i64 {
        self.to.0 - self.from.0
    }

    /// What takes less is not told apart.
    fn pixel(self) -> i64 {
        (self.length() / PARTS).max(1)
    }

    fn has(self, band: &Band) -> bool {
        band.from < self.to && band.to.unwrap_or(self.now) > self.from
    }
}

impl Ops {
    /// What ran when, when what is due, and what was under maintenance, in the span that `query` asks for.
    pub async fn timeline(&self, query: &TimelineQuery) -> Result<Timeline, ApiError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let from = query.at.unwrap_or(now) - query.span / 2;
        let to = from + query.span;
        let span = Span { from, to, now };

        let lasted = parts.history.lasted(query.by, (from, to), now, MAX_RAN);
        let lasted = lasted.await.map_err(|e| self.store_failed(&e))?;
        let mut cut = lasted.len() >= MAX_RAN as usize;
        let text = query.text.to_lowercase();
        let is_wanted = |name: &str| name.to_lowercase().contains(&text);
        let mut ran: BTreeMap<String, Vec<Ran>> = BTreeMap::new();
        for one in lasted {
            if one.ran.to > from && is_wanted(&one.lane) {
                ran.entry(one.lane).or_default().push(one.ran);
            }
        }
        let mut bands = self.bands(span).await?;
        // What has a lane though nothing may have run there.
        match query.by {
            LaneBy::Machine => {
                for band in &bands {
                    if let Held::Machine(machine) = &band.held
                        && is_wanted(machine.as_str())
                    {
                        ran.entry(machine.to_string()).or_default();
                    }
                }
            }
            LaneBy::Job => {
                let jobs = parts.config.current();
                for name in jobs.jobs.keys().filter(|name| is_wanted(name.as_str())) {
                    ran.entry(name.to_string()).or_default();
                }
            }
        }

        let mut lanes = match query.by {
            LaneBy::Machine => self.machine_lanes(ran, span),
            LaneBy::Job => self.job_lanes(ran, span, &bands),
        };
        let more = lanes.len() > MAX_LANES;
        lanes.truncate(MAX_LANES);
        // Of everything it is told even where nothing has a lane, perhaps because of it.
        bands.retain(|band| {
            let mut lanes = lanes.iter();
            band.held == Held::Everything || lanes.any(|lane| lane.is_under(&band.held, query.by))
        });
        if let Some(beyond) = bands.len().checked_sub(MAX_BANDS).filter(|&n| n > 0) {
            bands.drain(..beyond);
            cut = true;
        }
        Ok(Timeline {
            from,
            to,
            now,
            lanes,
            more,
            cut,
            maintenance: bands,
        })
    }

    /// What was under maintenance in `span`, by its beginning.
    async fn bands(&self, span: Span) -> Result<Vec<Band>, ApiError> {
        let parts = &self.parts;
        let changes = parts.trail.maintenance_since(span.from).await;
        let mut changes = changes.map_err(|e| self.store_failed(&e))?;
        // What is in force is drawn whatever is known of the past.
        let mut present = (*parts.config.current().maintenance).clone();
        present.since = present
            .since
            .or_else(|| parts.board.maintenance().global_since);
        changes.push(Change {
            at: span.now,
            by: present.by.clone(),
            became: present,
        });
        let mut bands = past::bands(&changes);
        bands.retain(|band| span.has(band));
        bands.sort_by_key(|band| band.from);
        Ok(bands)
    }

    fn machine_lanes(&self, ran: BTreeMap<String, Vec<Ran>>, span: Span) -> Vec<Lane> {
        let maintenance = self.parts.board.maintenance();
        let lane = |(name, ran)| Lane {
            bars: timeline::bars(ran, span.pixel()),
            due: Vec::new(),
            group: None,
            maintenance: maintenance.machines.iter().any(|m| m.as_str() == name),
            name,
        };
        ran.into_iter().take(MAX_LANES + 1).map(lane).collect()
    }

    /// The lanes of jobs that ran, are due, or are of a group that was under maintenance.
    fn job_lanes(&self, ran: BTreeMap<String, Vec<Ran>>, span: Span, bands: &[Band]) -> Vec<Lane> {
        let jobs = self.parts.config.current();
        let maintenance = self.parts.board.maintenance();
        let mut lanes = Vec::new();
        for (name, ran) in ran {
            let job = jobs.jobs.get(name.as_str());
            let lane = Lane {
                bars: timeline::bars(ran, span.pixel()),
                due: job.map_or_else(Vec::new, |job| self.due(job, &jobs, span)),
                group: job.map(|job| job.group.clone()),
                maintenance: job.is_some_and(|job| maintenance.groups.contains(&job.group)),
                name,
            };
            let is_held = || {
                let mut of_groups = bands.iter().filter(|band| band.held != Held::Everything);
                of_groups.any(|band| lane.is_under(&band.held, LaneBy::Job))
            };
            if lane.bars.is_empty() && lane.due.is_empty() && !is_held() {
                continue;
            }
            lanes.push(lane);
            if lanes.len() > MAX_LANES {
                break;
            }
        }
        lanes
    }

    /// When `job` is due in what of `span` is still to come.
    fn due(&self, job: &Job, jobs: &JobSet, span: Span) -> Vec<UnixMillis> {
        let after = span.from.max(span.now);
        let is_paused = || {
            let row = self.parts.board.row(&job.name);
            row.is_some_and(|row| row.paused.is_some())
        };
        if after >= span.to || is_paused() {
            return Vec::new();
        }
        let next = |at| job.schedule.next_after(at, jobs.default_zone);
        timeline::due(next, (after, span.to), span.length() / MAX_DUE)
    }
}
