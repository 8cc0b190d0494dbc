//! When a job fires.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use saltpeter_protocol::UnixMillis;

/// A schedule: cron fields and the zone they are read in.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expression: String,
    cron: Cron,
    zone: Zone,
}

/// The zone a schedule is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The one the job names (`timezone`, or UTC for `utc: true`).
    Named(Tz),
    /// The global one, given when it is needed.
    Default,
}

/// Why an expression is not a schedule. The message is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(pub(crate) String);

impl Schedule {
    /// Reads an expression of 5 fields (min hour dom mon dow), 6 (sec first), 7 (sec first, year last), or an alias
    /// such as `@daily`.
    pub fn parse(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let cron = croner::parser::CronParser::builder()
            .dom_and_dow(true)
            .build()
            .parse(expression)
            .map_err(|error| ScheduleError(error.to_string()))?;
        Ok(Self {
            expression: expression.to_owned(),
            cron,
            zone,
        })
    }

    /// The expression: seven fields, or the alias.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone it is read in, where schedules that name none are read in `default`.
    pub fn zone(&self, default: Tz) -> Tz {
        match self.zone {
            Zone::Named(zone) => zone,
            Zone::Default => default,
        }
    }

    /// The first fire time after `after`, a whole second; `None` when there is none up to the end of 2099.
    pub fn next_after(&self, after: UnixMillis, default: Tz) -> Option<UnixMillis> {
        let zone = self.zone(default);
        let start = DateTime::<Utc>::from_timestamp(after.seconds(), 0)?.with_timezone(&zone);
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(UnixMillis::from_seconds(next.timestamp()))
    }

    /// The fire times after `after`, in order.
    pub fn after(&self, after: UnixMillis, default: Tz) -> impl Iterator<Item = UnixMillis> + '_ {
        std::iter::successors(self.next_after(after, default), move |&last| {
            self.next_after(last, default)
        })
    }

    /// The schedule in plain words where it has a simple shape ("02:00 daily"), else its expression.
    pub fn words(&self) -> String {
        self.expression.clone()
    }
}
