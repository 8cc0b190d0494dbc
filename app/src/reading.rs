//! What the pages have in common that show what their address asks for: how it is read at first, how one goes on from there,
//! and how it is kept up with what happens.

use crate::client::Read;
use crate::components::shown::Shown;
use crate::live::{Live, use_live};
use crate::query::Asked;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::ApiError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often what is shown is read again while something happens, in milliseconds.
const READ_EVERY: i64 = 2_000;

/// What an address is answered. That a filter is wrong is no reason to show no page, so it is part of the answer.
pub(crate) type Answered<T> = Result<T, ApiError>;

/// What becomes of the address that one comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    /// The browser's button leads to it.
    Kept,
    /// It is replaced, as when one moves on in small steps.
    Replaced,
}

/// Reads what the address asks for, as the page is first shown.
pub(crate) fn begin<T, F>(
    asked: Memo<Asked>,
    read: fn(Asked) -> F,
) -> Resource<Result<Answered<T>, ApiError>>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Read<T>,
{
    Resource::new(
        || (),
        move |()| {
            let answer = read(asked.get_untracked());
            async move { Ok(answer.await) }
        },
    )
}

/// Goes to what is asked of the page at `path`.
pub(crate) fn go_within(path: &'static str, back: Back) -> Callback<Asked> {
    let navigate = use_navigate();
    Callback::new(move |asked: Asked| {
        let options = NavigateOptions {
            replace: back == Back::Replaced,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&asked.address(path), options);
    })
}

/// Keeps `answer` up with the address and with what happens; and, where time alone changes it, reads it again at least
/// every `at_least` milliseconds. It waits for one answer before it asks for the next.
pub(crate) fn follow<T, F>(
    asked: Memo<Asked>,
    answer: RwSignal<Answered<T>>,
    read: fn(Asked) -> F,
    at_least: Option<i64>,
) where
    T: PartialEq + Send + Sync + 'static,
    F: Read<T>,
{
    let live = use_live();
    let when = When::new(live);
    let beat = Memo::new(move |_| live.now().0 / READ_EVERY);
    Effect::new(move |before: Option<Asked>| {
        beat.get();
        let now = asked.get();
        let is_other = before.is_some_and(|before| before != now);
        if !when.is_now(is_other, at_least) {
            return now;
        }
        spawn_local(async move {
            // As often as it takes: something else may be asked for meanwhile.
            while let Some(for_this) = asked.try_get_untracked() {
                let new = read(for_this.clone()).await;
                if answer.try_with_untracked(|answer| *answer != new) == Some(true) {
                    answer.set(new);
                }
                if asked.try_get_untracked() == Some(for_this) {
                    break;
                }
            }
            when.is_over();
        });
        now
    });
}

/// When it is time to read again; the part of [`follow`] that is the same for all.
#[derive(Clone, Copy)]
struct When {
    live: Live,
    stale: StoredValue<bool>,
    busy: StoredValue<bool>,
    read_at: StoredValue<UnixMillis>,
}

impl When {
    fn new(live: Live) -> Self {
        let when = Self {
            live,
            stale: StoredValue::new(false),
            busy: StoredValue::new(false),
            read_at: StoredValue::new(untrack(|| live.now())),
        };
        // The socket tells that something has happened; what the page makes of it is asked for, and not too often.
        Effect::new(move |before: Option<()>| {
            // Read, not only tracked: what nobody reads is never computed.
            live.with_jobs(|_| ());
            live.maintenance();
            when.stale.set_value(before.is_some());
        });
        when
    }

    /// Whether to read now. If so, nothing is read until that is over.
    fn is_now(self, is_other: bool, at_least: Option<i64>) -> bool {
        let now = untrack(|| self.live.now());
        let age = now.0 - self.read_at.get_value().0;
        let is_old = at_least.is_some_and(|at_least| age > at_least);
        if self.busy.get_value() || !(is_other || is_old || self.stale.get_value()) {
            return false;
        }
        self.stale.set_value(false);
        self.read_at.set_value(now);
        self.busy.set_value(true);
        true
    }

    fn is_over(self) {
        // The page may be gone by then.
        self.busy.try_update_value(|busy| *busy = false);
    }
}

/// What is wrong with what the address asks for, in words.
pub(crate) fn refused<T: Send + Sync + 'static>(
    answer: RwSignal<Answered<T>>,
) -> Signal<Option<String>> {
    Signal::derive(move || {
        answer.with(|answer| answer.as_ref().err().map(|error| error.message.clone()))
    })
}

/// The place for it in the page.
#[component]
pub(crate) fn Refused(
    /// What is wrong.
    problem: Signal<Option<String>>,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    view! {
        <Shown when=move || problem.with(Option::is_some)>
            <p class="problem" role="alert" data-testid=testid>
                {move || problem.get()}
            </p>
        </Shown>
    }
    .into_any()
}
