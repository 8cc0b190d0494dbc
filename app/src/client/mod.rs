//! What pages read, and what they ask for. Each read is said once: where it stands in the REST interface, and what the
//! backend is asked for the same.

mod asks;
#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod nowhere;
#[cfg(feature = "ssr")]
mod server;

use crate::first::FirstView;
use crate::query::Asked;
use crate::routes;
use saltpeter_protocol::api::{
    ApiError, ConfigPage, JobDetail, LinesPage, LinesQuery, MachineList, MachineQuery,
    MaintenancePage, OutputFrom, OutputSlice, Reading, RunDetail, RunList, RunQuery, SameOutput,
    Timeline, TimelineQuery,
};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId};
use std::future::Future;

pub(crate) use asks::{maintenance_diff, maintenance_save, perform, search};
pub(crate) use rest::{ask, fetch};

// Whom a read is asked of. Each has `read`, and `read_output` for the one that travels as bytes.
#[cfg(target_arch = "wasm32")]
use browser as origin;
#[cfg(not(any(feature = "ssr", target_arch = "wasm32")))]
use nowhere as origin;
#[cfg(feature = "ssr")]
use server as origin;

// Whom a page asks that has come to life.
#[cfg(target_arch = "wasm32")]
use browser as rest;
#[cfg(not(target_arch = "wasm32"))]
use nowhere as rest;

/// How the REST interface is asked for something that a page needs when it has come to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// To try something out, or to set it going.
    Post,
    /// To have it so from now on.
    Put,
}

/// A read that is on its way.
pub(crate) trait Read<T>: Future<Output = Result<T, ApiError>> + Send + 'static {}
impl<T, F: Future<Output = Result<T, ApiError>> + Send + 'static> Read<T> for F {}

/// What every page begins with. `search` is the query of the address.
pub(crate) fn first(search: String) -> impl Read<FirstView> {
    let path = "/api/v1/overview".to_owned();
    let overview = origin::read(path, async |backend| backend.overview().await);
    async move { Ok(FirstView::new(overview.await?, &search)) }
}

/// A job.
pub(crate) fn job(name: JobName) -> impl Read<JobDetail> {
    let path = format!("/api/v1/jobs/{name}");
    origin::read(path, async move |backend| backend.job(&name).await)
}

/// A run.
pub(crate) fn run(run: RunId) -> impl Read<RunDetail> {
    let path = format!("/api/v1/runs/{run}");
    origin::read(path, async move |backend| backend.run(&run).await)
}

/// Output of an attempt of a machine, about `limit` bytes.
pub(crate) fn output(
    run: RunId,
    machine: MachineId,
    attempt: Attempt,
    from: OutputFrom,
    limit: usize,
) -> impl Read<OutputSlice> {
    let place = match from {
        OutputFrom::Offset(n) => format!("offset={n}"),
        OutputFrom::Line(n) => format!("line={n}"),
        OutputFrom::Tail(n) => format!("tail={n}"),
    };
    let path = format!(
        "{}?attempt={attempt}&{place}&limit={limit}",
        routes::output_api(&run, &machine)
    );
    origin::read_output(path, async move |backend| {
        let attempt = Some(attempt);
        backend.output(&run, &machine, attempt, from, limit).await
    })
}

/// Lines of one or several of a run's machines, by time.
pub(crate) fn lines(run: RunId, query: LinesQuery) -> impl Read<LinesPage> {
    let reading = match query.reading {
        Reading::Before => "before",
        Reading::After => "after",
    };
    let path = format!(
        "/api/v1/runs/{run}/output/lines?machines={}&stderr={}&reading={reading}",
        routes::escape(&query.machines),
        query.stderr
    );
    let path = with_given(
        path,
        [
            ("attempt", query.attempt.map(|attempt| attempt.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("at", query.at.clone()),
        ],
    );
    origin::read(path, async move |backend| backend.lines(&run, &query).await)
}

/// The machines of a run, grouped by what they have written.
pub(crate) fn same_output(run: RunId) -> impl Read<Vec<SameOutput>> {
    let path = format!("/api/v1/runs/{run}/output/same");
    origin::read(path, async move |backend| backend.same_output(&run).await)
}

/// The maintenance editor's page.
pub(crate) fn maintenance_page() -> impl Read<MaintenancePage> {
    let path = routes::MAINTENANCE_API.to_owned();
    origin::read(path, async |backend| backend.maintenance_page().await)
}

/// The configuration.
pub(crate) fn config_page() -> impl Read<ConfigPage> {
    let path = "/api/v1/config".to_owned();
    origin::read(path, async |backend| backend.config_page().await)
}

/// Runs, newest first.
pub(crate) fn runs(asked: Asked) -> impl Read<RunList> {
    origin::read(asked.address("/api/v1/runs"), async move |backend| {
        let query = RunQuery::parse(asked.pairs())?;
        backend.runs(&query).await
    })
}

/// Machines.
pub(crate) fn machines(asked: Asked) -> impl Read<MachineList> {
    origin::read(asked.address("/api/v1/machines"), async move |backend| {
        let query = MachineQuery::parse(asked.pairs())?;
        backend.machines(&query).await
    })
}

/// What ran when, and what will.
pub(crate) fn timeline(asked: Asked) -> impl Read<Timeline> {
    origin::read(asked.address("/api/v1/timeline"), async move |backend| {
        let query = TimelineQuery::parse(asked.pairs())?;
        backend.timeline(&query).await
    })
}

/// `path`, which has a query, with those of the `pairs` that have a value.
fn with_given(mut path: String, pairs: [(&str, Option<String>); 3]) -> String {
    for (key, value) in pairs {
        if let Some(value) = value {
            path = format!("{path}&{key}={value}");
        }
    }
    path
}
