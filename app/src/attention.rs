//! What a tab says to those who do not look at it: counts in its title, a dot on its icon, and, to those who want it,
//! a notification when a job fails.

use crate::browser;
use crate::components::marks::run_word;
use crate::components::run_view::counts_text;
use crate::first::Totals;
use crate::live::Live;
use crate::routes;
use leptos::prelude::*;
use saltpeter_protocol::api::RunSummary;
use std::fmt::Write as _;
use std::time::Duration;

/// Title and icon change this often at most, and so many notifications come at most.
const EVERY: Duration = Duration::from_secs(1);
/// Jobs that a notification names; the others are counted.
const NAMED: usize = 5;
/// Under which key the browser keeps that it wants notifications.
const KEY: &str = "saltpeter.notify";

/// The counts that the title shows. Not a signal of the arena: the server asks for the title where there is none
/// ([`crate::pages::PageTitle`]).
pub(crate) type Counts = ArcRwSignal<Totals>;

/// The title with the counts before it: "✕ 3 ◐ 7 Jobs · Saltpeter".
pub(crate) fn title(counts: Totals, text: &str) -> String {
    let part = |symbol: &str, count: u64| match count {
        0 => String::new(),
        count => format!("{symbol} {count} "),
    };
    let (failed, running) = (part("✕", counts.failed), part("◐", counts.running));
    format!("{failed}{running}{text}")
}

fn icon(counts: Totals) -> &'static str {
    match (counts.failed, counts.running) {
        (1.., _) => "/favicon-failed.svg",
        (0, 1..) => "/favicon-running.svg",
        (0, 0) => "/favicon.svg",
    }
}

/// Keeps title and icon in step with the jobs, and tells of failures.
pub(crate) fn watch(live: Live, counts: Counts) {
    let waiting = StoredValue::new(false);
    Effect::new(move || {
        live.with_jobs(|_| ());
        if waiting.get_value() {
            return;
        }
        waiting.set_value(true);
        let counts = counts.clone();
        set_timeout(
            move || {
                waiting.set_value(false);
                update(live, &counts);
            },
            EVERY,
        );
    });
    // Nothing is drawn in a tab that is hidden, so that what waits for the next picture is not to wait any more.
    browser::on_visibility(move || {
        if browser::hidden() {
            live.flush();
        }
    });
}

fn update(live: Live, counts: &Counts) {
    let now = live.totals();
    if counts.get_untracked() != now {
        counts.set(now);
        browser::set_icon(icon(now));
    }
    let failures = live.take_failures();
    if !failures.is_empty() && wanted() && !browser::has_focus() {
        let Told { title, body, page } = tell(&failures);
        browser::notify(&title, &body, page);
    }
}

/// Whether this browser wants notifications, and may have them.
pub(crate) fn wanted() -> bool {
    browser::stored(KEY).as_deref() == Some("on")
        && browser::notifications() == browser::Notifications::Granted
}

/// Keeps whether this browser wants them.
pub(crate) fn want(on: bool) {
    browser::store(KEY, if on { "on" } else { "off" });
}

/// A notification.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    title: String,
    body: String,
    /// Where a click leads.
    page: String,
}

fn tell(failures: &[RunSummary]) -> Told {
    if let [run] = failures {
        return Told {
            title: format!("{}: {}", run.job, run_word(&run.state)),
            body: counts_text(&run.counts),
            page: routes::run_page(&run.id),
        };
    }
    let mut body = String::new();
    for (at, run) in failures.iter().take(NAMED).enumerate() {
        if at > 0 {
            body.push_str(", ");
        }
        body.push_str(run.job.as_str());
    }
    if failures.len() > NAMED {
        // Writing into a String cannot fail.
        let _ = write!(body, " and {} more", failures.len() - NAMED);
    }
    Told {
        title: format!("{} jobs failed", failures.len()),
        body,
        page: "/?status=failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use saltpeter_protocol::{RunOutcome, RunState};

    fn failed(job: &str) -> RunSummary {
        let state = RunState::Ended {
            at: sample::NOW,
            outcome: RunOutcome::Failed,
        };
        sample::summary(&format!("{job}_1"), state)
    }

    #[test]
    fn the_title_has_counts_where_there_are_any() {
        let totals = |failed, running| Totals {
            jobs: 9,
            running,
            failed,
        };
        assert_eq!(title(totals(0, 0), "Jobs"), "Jobs");
        assert_eq!(title(totals(3, 0), "Jobs"), "✕ 3 Jobs");
        assert_eq!(title(totals(3, 7), "Jobs"), "✕ 3 ◐ 7 Jobs");
        assert_eq!(icon(totals(1, 7)), "/favicon-failed.svg");
        assert_eq!(icon(totals(0, 7)), "/favicon-running.svg");
    }

    #[test]
    fn one_failure_leads_to_its_run_and_many_are_one_notification() {
        let one = tell(&[failed("backup")]);
        assert_eq!(
            (one.title.as_str(), one.page.as_str()),
            ("backup: failed", "/runs/backup_1")
        );
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let many = tell(&names.map(failed));
        assert_eq!(many.title, "7 jobs failed");
        assert_eq!(many.body, "a, b, c, d, e and 2 more");
    }
}
