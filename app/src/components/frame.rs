//! What stands around every page: navigation, connection, clock, theme, maintenance.

use super::bell::BellToggle;
use super::when::When;
use crate::actions::{Action, use_actions};
use crate::browser;
use crate::components::shown::Shown;
use crate::format;
use crate::live::{Link, Zone, use_live};
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use saltpeter_protocol::api::MaintenanceView;

/// Under which key the browser keeps the choice of zone.
const ZONE_KEY: &str = "saltpeter.zone";
/// Under which key the browser keeps the choice of theme. `public/theme.js` reads it too.
const THEME_KEY: &str = "saltpeter.theme";

/// The bar at the top.
#[component]
pub(crate) fn Header(
    /// Opens the help.
    help: Callback<()>,
    /// Opens the palette.
    palette: Callback<()>,
) -> impl IntoView {
    let key = RwSignal::new("Ctrl K");
    Effect::new(move || {
        if browser::has_command_key() {
            key.set("⌘K");
        }
    });
    view! {
        <header class="bar">
            <a class="brand" href="/">
                <img src="/favicon.svg" width="20" height="20" alt="" />
                <span>"Saltpeter"</span>
            </a>
            <nav aria-label="Pages">
                <NavLink href="/" also="/jobs">"Jobs"</NavLink>
                <NavLink href="/runs" also="/runs">"Runs"</NavLink>
                <NavLink href="/timeline" also="/timeline">"Timeline"</NavLink>
                <NavLink href="/machines" also="/machines">"Machines"</NavLink>
                <NavLink href="/maintenance" also="/maintenance">"Maintenance"</NavLink>
                <NavLink href="/config" also="/config">
                    "Config"
                    <ProblemCount />
                </NavLink>
                // Pages of plain forms, which the browser has to ask the server for.
                <a class="admins-only" href="/audit" rel="external">
                    "Audit"
                </a>
                <a href="/account" rel="external">
                    "Account"
                </a>
            </nav>
            <div class="tools">
                <button
                    class="quiet palette-button"
                    title="Go to a job, a page or a run, or do something (Ctrl+K, ⌘K)"
                    aria-label="Go to, or do"
                    data-testid="palette-button"
                    on:click=move |_| palette.run(())
                >
                    <span aria-hidden="true">"⌕"</span>
                    <kbd aria-hidden="true">{move || key.get()}</kbd>
                </button>
                <ConnectionBadge />
                <ClockToggle />
                <BellToggle />
                <ThemeToggle />
                <button
                    class="quiet help-button"
                    title="Keys and marks (?)"
                    aria-label="Help"
                    on:click=move |_| help.run(())
                >
                    "?"
                </button>
            </div>
        </header>
    }
    .into_any()
}

#[component]
fn NavLink(href: &'static str, also: &'static str, children: Children) -> impl IntoView {
    let path = use_location().pathname;
    let current = move || {
        path.with(|path| path == href || path.starts_with(also))
            .then_some("page")
    };
    view! {
        <a href=href aria-current=move || current()>
            {children()}
        </a>
    }
    .into_any()
}

#[component]
fn ProblemCount() -> impl IntoView {
    let live = use_live();
    let count = move || live.problems().len();
    view! {
        <Shown when=move || { count() > 0 }>
            <span class="count" data-testid="problem-count" title="Problems in the configuration">
                {move || format!("⚠\u{fe0e} {}", count())}
            </span>
        </Shown>
    }
    .into_any()
}

#[component]
fn ConnectionBadge() -> impl IntoView {
    let live = use_live();
    let age = move |last| {
        // The badge counts by the browser's clock, since the server's cannot be heard.
        live.now();
        format::duration(std::time::Duration::from_secs(
            browser::now().since(last).as_secs().max(1),
        ))
        .replace(".00", "")
    };
    let state = move || match live.link() {
        Link::Connecting => "connecting",
        Link::Live => "live",
        Link::Reconnecting(_) => "reconnecting",
        Link::Offline(_) => "offline",
    };
    let detail = move || match live.link() {
        Link::Connecting | Link::Live => String::new(),
        Link::Reconnecting(last) | Link::Offline(last) => format!(" · last data {} old", age(last)),
    };
    view! {
        <span class="badge" data-testid="conn-badge" data-state=move || state() role="status">
            <span class="dot" aria-hidden="true"></span>
            <span>{move || state()}</span>
            <span class="badge-detail" aria-live="off">{move || detail()}</span>
        </span>
    }
    .into_any()
}

#[component]
fn ClockToggle() -> impl IntoView {
    let live = use_live();
    Effect::new(move || {
        if browser::stored(ZONE_KEY).as_deref() == Some("local") {
            live.set_zone(Zone::Local);
        }
    });
    let turn = move |_| {
        let (zone, word) = match live.zone() {
            Zone::Utc => (Zone::Local, "local"),
            Zone::Local => (Zone::Utc, "utc"),
        };
        live.set_zone(zone);
        browser::store(ZONE_KEY, word);
    };
    let clock = move || {
        let now = live.now();
        format::clock(now, live.offset_minutes(now))
    };
    view! {
        <button
            class="quiet clock"
            data-testid="clock-toggle"
            title="Show times in UTC or in your zone"
            data-state=move || match live.zone() {
                Zone::Utc => "utc",
                Zone::Local => "local",
            }
            on:click=turn
        >
            {move || clock()}
            <span class="other-zone">
                {move || match live.zone() {
                    Zone::Utc => "⇄ local",
                    Zone::Local => "⇄ UTC",
                }}
            </span>
        </button>
    }
    .into_any()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    Auto,
    Dark,
    Light,
}

impl Theme {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Auto => Self::Dark,
            Self::Dark => Self::Light,
            Self::Light => Self::Auto,
        }
    }
}

#[component]
fn ThemeToggle() -> impl IntoView {
    let theme = RwSignal::new(Theme::Auto);
    Effect::new(move || {
        let kept = browser::stored(THEME_KEY);
        let kept = [Theme::Dark, Theme::Light]
            .into_iter()
            .find(|theme| kept.as_deref() == Some(theme.word()));
        if let Some(kept) = kept {
            theme.set(kept);
        }
    });
    let turn = move |_| {
        let next = theme.get_untracked().next();
        theme.set(next);
        browser::store(THEME_KEY, next.word());
        if let Some(root) = document().document_element() {
            // An attribute with this name can always be set.
            let _ = root.set_attribute("data-theme", next.word());
        }
    };
    view! {
        <button
            class="quiet theme"
            data-testid="theme-toggle"
            data-state=move || theme.get().word()
            title=move || format!("Theme: {}", theme.get().word())
            aria-label=move || format!("Theme: {}", theme.get().word())
            on:click=turn
        >
            {move || match theme.get() {
                Theme::Auto => "◐",
                Theme::Dark => "☾",
                Theme::Light => "☀\u{fe0e}",
            }}
        </button>
    }
    .into_any()
}

/// Groups that the banner names.
const MOST_GROUPS: usize = 5;

/// Who has turned it on, and why: `marin: kernel rollout`.
fn said(maintenance: &MaintenanceView) -> Option<String> {
    match (&maintenance.by, &maintenance.reason) {
        (Some(by), Some(reason)) => Some(format!("{by}: {reason}")),
        (by, reason) => by.clone().or_else(|| reason.clone()),
    }
}

/// Says on every page that nothing new starts, or nothing of some groups.
#[component]
pub(crate) fn MaintenanceBanner() -> impl IntoView {
    let live = use_live();
    let actions = use_actions();
    let pending = move || actions.is_pending(&Action::EndMaintenance);
    let since = Signal::derive(move || live.maintenance().global_since);
    let groups = move || match live.maintenance().groups.as_slice() {
        [one] => format!("The group {one} is under maintenance"),
        several if several.len() <= MOST_GROUPS => {
            format!("The groups {} are under maintenance", several.join(", "))
        }
        many => {
            let (first, more) = many.split_at(MOST_GROUPS);
            let first = first.join(", ");
            format!(
                "The groups {first} and {} more are under maintenance",
                more.len()
            )
        }
    };
    view! {
        <Shown when=move || live.maintenance().global>
            <div class="banner" role="alert" data-testid="maintenance-banner">
                <span class="mark maintenance" aria-hidden="true">"⚒\u{fe0e}"</span>
                <p>
                    <strong>"Global maintenance is on"</strong>
                    <Shown when=move || since.get().is_some()>
                        ", turned on " <When at=since />
                    </Shown>
                    {move || said(&live.maintenance()).map(|said| format!(" ({said})"))}
                    ": no new job starts."
                </p>
                <button
                    class="deed-of-all"
                    disabled=move || pending()
                    data-testid="maintenance-off"
                    on:click=move |_| actions.perform(Action::EndMaintenance)
                >
                    {move || if pending() { "Turning off…" } else { "Turn off" }}
                </button>
            </div>
        </Shown>
        <Shown when=move || !live.maintenance().global && !live.maintenance().groups.is_empty()>
            <div class="banner" role="status" data-testid="maintenance-groups-banner">
                <span class="mark maintenance" aria-hidden="true">"⚒\u{fe0e}"</span>
                <p>
                    <strong>{move || groups()}</strong>
                    {move || live.maintenance().reason.map(|reason| format!(" ({reason})"))}
                    ": jobs that are due there are not started."
                </p>
                <a class="button" href="/maintenance">"Maintenance"</a>
            </div>
        </Shown>
    }
    .into_any()
}

/// Says on every page that the server cannot write to its disk.
#[component]
pub(crate) fn StorageBanner() -> impl IntoView {
    let live = use_live();
    let since = Signal::derive(move || live.troubles().first().map(|trouble| trouble.since));
    let message = move || {
        let mut message = String::new();
        for trouble in live.troubles().iter() {
            message.push_str(&trouble.message);
            message.push(' ');
        }
        message
    };
    view! {
        <Shown when=move || !live.troubles().is_empty()>
            <div class="banner storage" role="alert" data-testid="storage-banner">
                <span class="mark failed" aria-hidden="true">
                    "✕"
                </span>
                <p>
                    <strong>"The server cannot write to its disk"</strong>
                    " (since " <When at=since /> "). " {move || message()}
                </p>
            </div>
        </Shown>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_who_and_why_as_far_as_it_is_known() {
        let text = |by: &str, reason: &str| {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            said(&MaintenanceView {
                by: given(by),
                reason: given(reason),
                ..MaintenanceView::default()
            })
        };
        let both = text("marin", "kernel rollout");
        assert_eq!(both.as_deref(), Some("marin: kernel rollout"));
        assert_eq!(text("marin", "").as_deref(), Some("marin"));
        assert_eq!(text("", "disks").as_deref(), Some("disks"));
        assert_eq!(text("", ""), None);
    }
}
