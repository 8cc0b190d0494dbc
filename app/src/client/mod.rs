//! What pages read. On the server it comes from the backend, in the browser from the REST interface.

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(not(target_arch = "wasm32"))]
mod nowhere;
#[cfg(feature = "ssr")]
mod server;

use crate::first::FirstView;
use crate::query::Asked;
use saltpeter_protocol::api::{
    ApiError, ConfigPage, JobDetail, LinesPage, LinesQuery, MachineList, MaintenancePage,
    OutputFrom, OutputSlice, RunDetail, RunList, SameOutput, Timeline,
};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId};
use std::future::Future;

#[cfg(target_arch = "wasm32")]
use browser as origin;
#[cfg(target_arch = "wasm32")]
pub(crate) use browser::{ask, fetch, maintenance_diff, maintenance_save, perform, search};
#[cfg(not(any(feature = "ssr", target_arch = "wasm32")))]
use nowhere as origin;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use nowhere::{ask, fetch, maintenance_diff, maintenance_save, perform, search};
#[cfg(feature = "ssr")]
use server as origin;

/// How the REST interface is asked for something that a page needs when it has come to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// To try something out.
    Post,
    /// To have it so from now on.
    Put,
}

/// A read that is on its way.
pub(crate) trait Read<T>: Future<Output = Result<T, ApiError>> + Send + 'static {}
impl<T, F: Future<Output = Result<T, ApiError>> + Send + 'static> Read<T> for F {}

/// What every page begins with. `search` is the query of the address.
pub(crate) fn first(search: String) -> impl Read<FirstView> {
    origin::first(search)
}

/// A job.
pub(crate) fn job(name: JobName) -> impl Read<JobDetail> {
    origin::job(name)
}

/// A run.
pub(crate) fn run(run: RunId) -> impl Read<RunDetail> {
    origin::run(run)
}

/// Output of an attempt of a machine, about `limit` bytes.
pub(crate) fn output(
    run: RunId,
    machine: MachineId,
    attempt: Attempt,
    from: OutputFrom,
    limit: usize,
) -> impl Read<OutputSlice> {
    origin::output(run, machine, attempt, from, limit)
}

/// Lines of one or several of a run's machines, by time.
pub(crate) fn lines(run: RunId, query: LinesQuery) -> impl Read<LinesPage> {
    origin::lines(run, query)
}

/// The machines of a run, grouped by what they have written.
pub(crate) fn same_output(run: RunId) -> impl Read<Vec<SameOutput>> {
    origin::same_output(run)
}

/// The maintenance editor's page.
pub(crate) fn maintenance_page() -> impl Read<MaintenancePage> {
    origin::maintenance_page()
}

/// The configuration.
pub(crate) fn config_page() -> impl Read<ConfigPage> {
    origin::config_page()
}

/// Runs, newest first.
pub(crate) fn runs(asked: Asked) -> impl Read<RunList> {
    origin::runs(asked)
}

/// Machines.
pub(crate) fn machines(asked: Asked) -> impl Read<MachineList> {
    origin::machines(asked)
}

/// What ran when, and what will.
pub(crate) fn timeline(asked: Asked) -> impl Read<Timeline> {
    origin::timeline(asked)
}
