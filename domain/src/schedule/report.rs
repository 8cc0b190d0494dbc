//! Fire times for people: what `saltpeter next` prints and the dashboard previews.

use super::{Schedule, ScheduleError, Zone, dst};
use chrono::{DateTime, MappedLocalTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use saltpeter_protocol::UnixMillis;
use serde::Serialize;

/// A fire time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The moment.
    pub at: UnixMillis,
    /// The moment in RFC 3339, with the zone's offset.
    pub time: String,
    /// What a change of the clock has to do with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<DstNote>,
}

/// What a change of the clock has to do with a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DstNote {
    /// The time it is set for does not exist that day; it fires at the first moment after the gap.
    AfterGap,
    /// The clock shows this time twice; this is the first.
    FirstPass,
    /// The clock shows this time twice; this is the second.
    SecondPass,
}

impl DstNote {
    /// A sentence for the reader.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::AfterGap => "the clock skips the set time; runs at the first moment after",
            Self::FirstPass => "the clock shows this time twice; this is the first",
            Self::SecondPass => "the clock shows this time twice; this is the second",
        }
    }
}

impl Schedule {
    /// The next `count` fire times after `after`, with notes on changes of the clock.
    pub fn preview(&self, after: UnixMillis, default: Tz, count: usize) -> Vec<Occurrence> {
        let zone = self.zone(default);
        self.after(after, default)
            .take(count)
            .map(|at| self.occurrence(at, zone))
            .collect()
    }

    fn occurrence(&self, at: UnixMillis, zone: Tz) -> Occurrence {
        let local = DateTime::<Utc>::from_timestamp(at.seconds(), 0)
            .unwrap_or_default()
            .with_timezone(&zone);
        let dst = match zone.from_local_datetime(&local.naive_local()) {
            MappedLocalTime::Ambiguous(first, _) if first == local => Some(DstNote::FirstPass),
            MappedLocalTime::Ambiguous(..) => Some(DstNote::SecondPass),
            _ => dst::wall_clock(zone, at.seconds())
                .is_some_and(|clock| !self.fields.matches(clock))
                .then_some(DstNote::AfterGap),
        };
        Occurrence {
            at,
            time: local.to_rfc3339_opts(SecondsFormat::Secs, false),
            dst,
        }
    }
}

/// The answer of `saltpeter next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextTimes {
    /// The expression as given.
    pub expression: String,
    /// The expression in plain words, or itself.
    pub words: String,
    /// The zone's IANA name.
    pub timezone: String,
    /// The fire times; fewer than asked for when there are no more up to the end of 2099.
    pub next: Vec<Occurrence>,
}

impl NextTimes {
    /// The next `count` times at which `expression`, read in `zone`, fires after `after`.
    pub fn compute(
        expression: &str,
        after: UnixMillis,
        count: usize,
        zone: Tz,
    ) -> Result<Self, ScheduleError> {
        let schedule = Schedule::parse(expression, Zone::Named(zone))?;
        Ok(Self {
            expression: schedule.expression().to_owned(),
            words: schedule.words(),
            timezone: zone.name().to_owned(),
            next: schedule.preview(after, zone, count),
        })
    }

    /// One RFC 3339 time a line.
    pub fn lines(&self) -> String {
        self.next.iter().fold(String::new(), |lines, occurrence| {
            lines + &occurrence.time + "\n"
        })
    }
}
