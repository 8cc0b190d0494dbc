//! Pages that the browser loads when they are first opened, so that those which are opened every day do not wait for
//! them.
//!
//! `cargo xtask site` cuts the WASM where a function has `#[wasm_split]`: into a chunk of the name it gives go the function
//! and whatever nothing else uses. A page becomes a chunk with such a function as its entry, a line for it in [`Chunk`], and
//! [`page`] around it in its route. The server has all code at hand and renders such a page as any other.

use crate::components::listing;
use crate::pages;
use crate::pages::{config, editor, import, job, machines, maintenance, run, runs, timeline};
use leptos::prelude::*;
use leptos::task::spawn_local_scoped_with_cancellation;
use leptos::wasm_split::SplitLoaderError;
use std::task::{Context, Poll, Waker};

/// What the entry of a chunk makes.
pub(crate) type Part = Result<AnyView, SplitLoaderError>;

/// A chunk, each with the page that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// `/config`.
    Config,
    /// `/jobs/JOB/edit` and `/new-job`.
    Editor,
    /// `/import`.
    Import,
    /// `/jobs/JOB`.
    Job,
    /// What is done with output now and then: searched, merged, picked. Of a page that shows merged output it is a part from the
    /// beginning.
    Lines,
    /// `/machines`.
    Machines,
    /// `/maintenance`.
    Maintenance,
    /// `/runs/RUN`.
    Run,
    /// `/runs`.
    Runs,
    /// `/timeline`.
    Timeline,
}

impl Chunk {
    /// The chunk that the page at `path` is, if it is one.
    pub fn of(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        if let Some(of_job) = path.strip_prefix("/jobs/") {
            let (job, chunk) = match of_job.strip_suffix("/edit") {
                Some(job) => (job, Self::Editor),
                None => (of_job, Self::Job),
            };
            let is_one = !job.is_empty() && !job.contains('/');
            return is_one.then_some(chunk);
        }
        if let Some(run) = path.strip_prefix("/runs/") {
            return (!run.is_empty() && !run.contains('/')).then_some(Self::Run);
        }
        Some(match path {
            "/config" => Self::Config,
            "/new-job" => Self::Editor,
            "/import" => Self::Import,
            "/machines" => Self::Machines,
            "/maintenance" => Self::Maintenance,
            "/runs" => Self::Runs,
            "/timeline" => Self::Timeline,
            _ => return None,
        })
    }

    /// The chunks that the page at `path` with this query, which may begin with a `?`, cannot do without.
    pub fn of_address(path: &str, query: &str) -> impl Iterator<Item = Self> {
        let page = Self::of(path);
        let mut keys = query.trim_start_matches('?').split('&');
        let is_merged = page == Some(Self::Run) && keys.any(|key| key.starts_with("merged="));
        page.into_iter().chain(is_merged.then_some(Self::Lines))
    }

    /// Its name, as in `#[wasm_split]` and in what the site says of its chunks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Editor => "editor",
            Self::Import => "import",
            Self::Job => "job",
            Self::Lines => "lines",
            Self::Machines => "machines",
            Self::Maintenance => "maintenance",
            Self::Run => "run",
            Self::Runs => "runs",
            Self::Timeline => "timeline",
        }
    }

    /// Loads it, unless it is there.
    ///
    /// # Errors
    /// It could not be loaded; the browser's console says why. The next call tries again.
    pub async fn load(self) -> Result<(), SplitLoaderError> {
        match self {
            Self::Config => config::load().await,
            Self::Editor => editor::load().await,
            Self::Import => import::load().await,
            Self::Job => job::load().await,
            Self::Lines => listing::load().await,
            Self::Machines => machines::load().await,
            Self::Maintenance => maintenance::load().await,
            Self::Run => run::load().await,
            Self::Runs => runs::load().await,
            Self::Timeline => timeline::load().await,
        }
    }
}

/// Shows what the entry of a chunk makes: at once where its code is there, as on the server and in a page that has just come
/// from it; otherwise when it has come.
pub(crate) fn page(entry: impl Future<Output = Part> + 'static) -> AnyView {
    let mut entry = Box::pin(entry);
    if let Poll::Ready(part) = entry.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return shown(part);
    }
    let part = RwSignal::new_local(None);
    // In the owner of the route, so that what the page makes goes with it, and does not come when it is gone.
    spawn_local_scoped_with_cancellation(async move {
        let view = shown(entry.await);
        part.set(Some(view));
    });
    let waiting = || view! { <div class="skeleton page-skeleton"></div> }.into_any();
    (move || {
        part.track();
        part.try_update_untracked(Option::take)
            .flatten()
            .unwrap_or_else(waiting)
    })
    .into_any()
}

fn shown(part: Part) -> AnyView {
    part.unwrap_or_else(|_| view! { <pages::NotLoaded /> }.into_any())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pages_themselves_are_chunks() {
        assert_eq!(Chunk::of("/config"), Some(Chunk::Config));
        assert_eq!(Chunk::of("/config/"), Some(Chunk::Config));
        assert_eq!(Chunk::of("/jobs/config/edit"), Some(Chunk::Editor));
        assert_eq!(Chunk::of("/jobs/config"), Some(Chunk::Job));
        assert_eq!(Chunk::of("/jobs/edit"), Some(Chunk::Job));
        for path in [
            "",
            "/",
            "/configuration",
            "/jobs",
            "/jobs//edit",
            "/jobs/a/b/edit",
            "/runs/a/b",
        ] {
            assert_eq!(Chunk::of(path), None, "{path}");
        }
        let of = |path, query| Chunk::of_address(path, query).collect::<Vec<_>>();
        assert_eq!(of("/config", ""), [Chunk::Config]);
        assert_eq!(
            of("/runs/a_1", "?machine=x&merged=*"),
            [Chunk::Run, Chunk::Lines]
        );
        assert_eq!(of("/runs/a_1", "merged=*"), [Chunk::Run, Chunk::Lines]);
        assert_eq!(of("/runs/a_1", "?machine=merged="), [Chunk::Run]);
        assert_eq!(of("/runs", "?merged=*"), [Chunk::Runs]);
        assert_eq!(of("/", "?merged=*"), []);
    }
}
