//! The span that is shown, and the times above it.

use crate::components::rows::Rows;
use crate::format;
use crate::live::use_live;
use crate::query::Asked;
use leptos::prelude::*;
use saltpeter_protocol::UnixMillis;

/// The shortest and the longest span, and that which is shown at first, in milliseconds. The server has the same.
const SHORTEST: i64 = 60_000;
const LONGEST: i64 = 31 * 86_400_000;
const USUAL: i64 = 6 * 3_600_000;

/// How many times stand above at most.
const MARKS: i64 = 8;

/// Distances between them, in milliseconds.
const STEPS: [i64; 15] = [
    10_000,
    30_000,
    60_000,
    5 * 60_000,
    10 * 60_000,
    15 * 60_000,
    30 * 60_000,
    3_600_000,
    2 * 3_600_000,
    3 * 3_600_000,
    6 * 3_600_000,
    12 * 3_600_000,
    86_400_000,
    2 * 86_400_000,
    7 * 86_400_000,
];

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    from: i64,
    to: i64,
}

impl View {
    /// The one of the address; around `now` if it says no other time.
    pub(super) fn of(asked: &Asked, now: UnixMillis) -> Self {
        let span = asked.get("span").parse::<i64>();
        let span = span.map_or(USUAL, |seconds| seconds.saturating_mul(1_000));
        let span = span.clamp(SHORTEST, LONGEST);
        let at = UnixMillis::parse(asked.get("at")).unwrap_or(now);
        Self {
            from: at.0 - span / 2,
            to: at.0 - span / 2 + span,
        }
    }

    /// How long it is, in milliseconds.
    pub(super) fn span(self) -> i64 {
        self.to - self.from
    }

    /// Where a time is in it, in percent of its length.
    pub(super) fn percent(self, at: UnixMillis) -> f64 {
        (at.0 - self.from) as f64 * 100.0 / self.span() as f64
    }

    /// The same, moved on by a share of its length.
    pub(super) fn moved(self, share: f64) -> Self {
        let by = (self.span() as f64 * share) as i64;
        Self {
            from: self.from + by,
            to: self.to + by,
        }
    }

    /// The same, as many times as long, around what is at `share` of its length.
    pub(super) fn zoomed(self, times: f64, share: f64) -> Self {
        let span = ((self.span() as f64 * times) as i64).clamp(SHORTEST, LONGEST);
        let fixed = self.from as f64 + self.span() as f64 * share;
        let from = (fixed - span as f64 * share) as i64;
        Self {
            from,
            to: from + span,
        }
    }

    /// The address of it.
    pub(super) fn put_into(self, asked: Asked) -> Asked {
        let at = self.from + self.span() / 2;
        asked
            .with("span", &(self.span() / 1_000).to_string())
            .with("at", &at.to_string())
    }

    /// The times above it; `offset` is how far the clocks are ahead of UTC, in milliseconds.
    fn marks(self, offset: i64) -> (i64, Vec<UnixMillis>) {
        let fits = |step: &&i64| self.span() / **step <= MARKS;
        let step = STEPS.iter().find(fits).copied().unwrap_or(STEPS[14]);
        let mut at = (self.from + offset).div_euclid(step) * step - offset + step;
        let mut marks = Vec::new();
        while at < self.to {
            marks.push(UnixMillis(at));
            at += step;
        }
        (step, marks)
    }
}

/// The times.
#[component]
pub(super) fn Axis(view: Memo<View>) -> impl IntoView {
    let live = use_live();
    let marks = move || {
        let view = view.get();
        let minutes = live.offset_minutes(UnixMillis(view.from));
        let (step, marks) = view.marks(i64::from(minutes) * 60_000);
        let mark = move |at| {
            let text = live.absolute(at);
            // Of 2026-11-28 14:05:00 UTC the part that tells.
            let text = match step {
                ..60_000 => text.get(11..19),
                60_000..86_400_000 => text.get(11..16),
                _ => text.get(5..10),
            };
            (
                at,
                text.unwrap_or_default().to_owned(),
                format::decimal(view.percent(at)),
            )
        };
        marks.into_iter().map(mark).collect::<Vec<_>>()
    };
    view! {
        <Rows
            each=move || marks()
            key=|(at, text, left)| format!("{} {text} {left}", at.0)
            children=|(_, text, left)| {
                view! {
                    <span class="time" style=format!("left:{left}%")>
                        {text}
                    </span>
                }
            }
        />
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis(1_795_435_200_000);

    #[test]
    fn zooming_keeps_what_is_under_the_pointer_where_it_is() {
        let view = View::of(&Asked::default(), NOON);
        assert_eq!(view.span(), USUAL);
        assert!((view.percent(NOON) - 50.0).abs() < 0.01);
        let at = UnixMillis(view.from + view.span() / 4);
        let near = view.zoomed(0.5, 0.25);
        assert_eq!(near.span(), USUAL / 2);
        assert!((near.percent(at) - 25.0).abs() < 0.01);
        assert_eq!(near.zoomed(0.000_01, 0.5).span(), SHORTEST);
        assert_eq!(near.zoomed(1e9, 0.5).span(), LONGEST);
        let back = View::of(&near.put_into(Asked::default()), UnixMillis(0));
        assert_eq!(back, near);
    }

    #[test]
    fn the_times_are_round_in_the_zone_that_is_shown() {
        let view = View::of(&Asked::default().with("span", "86400"), NOON);
        let (step, marks) = view.marks(0);
        assert_eq!(step, 3 * 3_600_000);
        assert!(marks.len() <= 8 && marks.iter().all(|at| at.0 % step == 0));
        let (_, marks) = view.marks(90 * 60_000);
        assert!(marks.iter().all(|at| (at.0 + 90 * 60_000) % step == 0));
    }
}
