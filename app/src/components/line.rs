//! One line of output. Text is always text: nothing of it is ever read as markup.

use crate::format;
use crate::live::Live;
use crate::output::{Line, Marked, Marking, Shown, Style};
use leptos::prelude::*;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::SearchHit;

/// How the time of each line is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Not at all.
    Off,
    /// Since the run was begun.
    Relative,
    /// The time of day.
    Absolute,
}

impl Times {
    /// The one after it, round and round.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Off => Self::Relative,
            Self::Relative => Self::Absolute,
            Self::Absolute => Self::Off,
        }
    }

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Relative => "relative",
            Self::Absolute => "absolute",
        }
    }

    /// A time so shown; `offset` is the zone's, in minutes.
    pub(crate) fn text(self, at: UnixMillis, begun: UnixMillis, offset: i32) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Relative => {
                let millis = at.since(begun).as_millis();
                Some(format!("+{}.{:03} s", millis / 1000, millis % 1000))
            }
            Self::Absolute => Some(format::clock_millis(at, offset)),
        }
    }
}

/// What all lines of a pane share.
#[derive(Clone, Copy)]
pub(crate) struct LineContext {
    /// For the zone.
    pub(crate) live: Live,
    /// How times are shown.
    pub(crate) times: RwSignal<Times>,
    /// When the run was begun.
    pub(crate) begun: UnixMillis,
    /// Lines that are marked, from and to, both from 1.
    pub(crate) chosen: RwSignal<Option<(u64, u64)>>,
    /// What was searched for.
    pub(crate) marked: RwSignal<Marked>,
    /// A line's number was clicked; with true the range is to reach there.
    pub(crate) choose: Callback<(u64, bool)>,
}

/// Draws a line.
pub(crate) fn line_view(shown: Shown, context: &LineContext) -> impl IntoView + use<> {
    let context = *context;
    let number = shown.number + 1;
    let hits = Memo::new(move |_| context.marked.with(|marked| marked.of_line(number - 1)));
    let chosen = move || {
        context
            .chosen
            .get()
            .is_some_and(|(from, to)| (from..=to).contains(&number))
    };
    let choose = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        context.choose.run((number, event.shift_key()));
    };
    let missing = shown.line.is_none();
    let line = shown.line.unwrap_or_default();
    let (at, stderr, cut) = (line.at, line.stderr, line.cut);
    let time = move || {
        let offset = match context.times.get() {
            Times::Absolute => context.live.offset_minutes(at),
            Times::Off | Times::Relative => 0,
        };
        context
            .times
            .get()
            .text(at, context.begun, offset)
            .map(|text| view! { <span class="line-time">{text}</span> })
    };
    let pieces = move || hits.with(|hits| pieces(&line, hits));
    view! {
        <div
            class="line"
            class:selected=move || chosen()
            class:missing=missing
            class:stderr=stderr
            data-testid="output-line"
            data-line=number
            data-stream=if stderr { "stderr" } else { "stdout" }
        >
            <a class="line-number" href=format!("#L{number}") tabindex="-1" on:click=choose>
                {number}
            </a>
            <span class="line-mark" title=stderr.then_some("standard error")>
                {if stderr { "E" } else { "" }}
            </span>
            {move || time()}
            <span class="line-text">
                {pieces}
                {cut
                    .then(|| {
                        view! { <em class="line-cut">" … the line goes on; the download has all of it"</em> }
                    })}
            </span>
        </div>
    }
}

/// A line's text with its looks, and with its hits marked.
pub(crate) fn pieces(line: &Line, hits: &[(SearchHit, Marking)]) -> Vec<AnyView> {
    let pieces = line.marked(hits).into_iter();
    let piece = |(style, marking, text): (Style, Marking, &str)| {
        let piece = piece(style, text.to_owned());
        match marking {
            Marking::None => piece,
            Marking::Hit => view! { <mark>{piece}</mark> }.into_any(),
            Marking::Current => {
                view! { <mark class="current" data-testid="search-current">{piece}</mark> }
                    .into_any()
            }
        }
    };
    pieces.map(piece).collect()
}

fn piece(style: Style, text: String) -> AnyView {
    if style.is_plain() {
        text.into_any()
    } else {
        view! {
            <span class=format!("sgr {}", style.classes()) style=style.declarations()>
                {text}
            </span>
        }
        .into_any()
    }
}

/// The lines that `#L12` or `#L12-L20` names, from 1.
pub(crate) fn parse_hash(hash: &str) -> Option<(u64, u64)> {
    let (from, to) = match hash.trim_start_matches('#').split_once('-') {
        Some((from, to)) => (from, to),
        None => (hash.trim_start_matches('#'), hash.trim_start_matches('#')),
    };
    let number = |text: &str| text.strip_prefix('L')?.parse::<u64>().ok();
    let (from, to) = (number(from)?, number(to)?);
    (from > 0 && from <= to).then_some((from, to))
}

/// The hash that names these lines.
pub(crate) fn hash((from, to): (u64, u64)) -> String {
    if from == to {
        format!("#L{from}")
    } else {
        format!("#L{from}-L{to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_a_line_or_a_range() {
        assert_eq!(parse_hash("#L120"), Some((120, 120)));
        assert_eq!(parse_hash("#L120-L140"), Some((120, 140)));
        for bad in ["", "#", "#L", "#L0", "#12", "#L5-L3", "#L5-", "#Lx-L9"] {
            assert_eq!(parse_hash(bad), None, "{bad}");
        }
        assert_eq!(hash((7, 7)), "#L7");
        assert_eq!(hash((7, 9)), "#L7-L9");
    }

    #[test]
    fn times_are_since_the_start_or_of_the_day() {
        let begun = UnixMillis(1_795_435_327_000);
        let at = UnixMillis(1_795_435_328_041);
        assert_eq!(Times::Off.text(at, begun, 0), None);
        assert_eq!(Times::Relative.text(at, begun, 0).unwrap(), "+1.041 s");
        assert_eq!(Times::Absolute.text(at, begun, 60).unwrap(), "13:02:08.041");
    }
}
