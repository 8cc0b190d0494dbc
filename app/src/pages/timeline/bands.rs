//! Maintenance on the timeline: bands in the lanes, and in words below.

use crate::components::rows::Rows;
use crate::components::shown::Shown;
use crate::live::use_live;
use leptos::prelude::*;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{Band, Held};

/// Bands that are told in words below; of more, the newest.
const TOLD: usize = 20;

/// Bands are drawn anew when anything about them has changed.
pub(super) fn key(band: &Band) -> String {
    let (held, reason) = (name(&band.held), band.reason.as_deref().unwrap_or_default());
    let to = band.to.map_or(0, |to| to.0);
    format!("{held} {} {to} {reason}", band.from.0)
}

/// What is under maintenance.
pub(super) fn name(held: &Held) -> String {
    match held {
        Held::Everything => "Global maintenance".to_owned(),
        Held::Group(group) => format!("Group {group} under maintenance"),
        Held::Machine(machine) => format!("{machine} under maintenance"),
    }
}

/// Who did it, why, and from when to when; `absolute` writes a time.
pub(super) fn words(
    band: &Band,
    now: UnixMillis,
    absolute: impl Fn(UnixMillis) -> String,
) -> String {
    let mut words = match &band.by {
        Some(by) => format!("by {by}"),
        None => "set in the configuration’s files".to_owned(),
    };
    if let Some(reason) = &band.reason {
        words.push_str(": ");
        words.push_str(reason);
    }
    let from = absolute(band.from);
    let end = match band.to {
        None => "still on".to_owned(),
        Some(to) if to > now => format!("until {}", absolute(to)),
        Some(to) => format!("to {}", absolute(to)),
    };
    format!("{words}, from {from} {end}")
}

/// The newest bands in words, for whoever cannot point at them.
#[component]
pub(super) fn Told(
    /// By their beginning.
    #[prop(into)]
    bands: Signal<Vec<Band>>,
) -> impl IntoView {
    let live = use_live();
    let told = move || {
        bands.with(|bands| {
            let newest = bands.iter().rev().take(TOLD);
            newest.cloned().collect::<Vec<_>>()
        })
    };
    let more = move || bands.with(Vec::len).saturating_sub(TOLD);
    let has_more = move || more() > 0;
    view! {
        <Shown when=move || !bands.with(Vec::is_empty)>
            <section class="bands" data-testid="timeline-bands">
                <h2>"Maintenance in this span"</h2>
                <ul>
                    <Rows
                        each=told
                        key=key
                        children=move |band| {
                            view! {
                                <li>
                                    <span class="mark maintenance" aria-hidden="true">
                                        "⚒\u{fe0e}"
                                    </span>
                                    <strong>{name(&band.held)}</strong>
                                    " "
                                    <span class="weak">
                                        {move || words(&band, live.now(), |at| live.absolute(at))}
                                    </span>
                                </li>
                            }
                        }
                    />
                </ul>
                <Shown when=has_more>
                    <p class="weak">{move || format!("and {} before these", more())}</p>
                </Shown>
            </section>
        </Shown>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_says_who_why_from_when_and_to_when() {
        let band = |to: Option<i64>, by: Option<&str>| Band {
            held: Held::Group("db".to_owned()),
            from: UnixMillis(10),
            to: to.map(UnixMillis),
            by: by.map(str::to_owned),
            reason: by.map(|_| "disks".to_owned()),
        };
        let told = |band: &Band| words(band, UnixMillis(50), |at| at.0.to_string());
        let over = band(Some(20), Some("ana"));
        assert_eq!(name(&over.held), "Group db under maintenance");
        assert_eq!(told(&over), "by ana: disks, from 10 to 20");
        let ends = band(Some(60), Some("ana"));
        assert_eq!(told(&ends), "by ana: disks, from 10 until 60");
        assert_eq!(
            told(&band(None, None)),
            "set in the configuration’s files, from 10 still on"
        );
    }
}
