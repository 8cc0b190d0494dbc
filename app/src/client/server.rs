//! Where pages are rendered: what they read comes from the backend.

use super::{
    ApiError, Asked, Attempt, ConfigPage, FirstView, JobDetail, JobName, LinesPage, LinesQuery,
    MachineId, MachineList, MaintenancePage, OutputFrom, OutputSlice, Read, RunDetail, RunId,
    RunList, SameOutput, Timeline,
};
use crate::backend::SharedBackend;
use leptos::prelude::use_context;
use saltpeter_protocol::api::{ErrorCode, MachineQuery, RunQuery, TimelineQuery};

/// The context is read before anything is awaited; afterwards it may be gone.
fn backend() -> Result<SharedBackend, ApiError> {
    use_context().ok_or_else(|| {
        ApiError::new(
            ErrorCode::Unavailable,
            "the server has no state to show yet; try again in a moment",
        )
    })
}

pub(super) fn first(search: String) -> impl Read<FirstView> {
    let backend = backend();
    async move {
        let overview = backend?.overview().await?;
        Ok(FirstView::new(overview, &search))
    }
}

pub(super) fn job(name: JobName) -> impl Read<JobDetail> {
    let backend = backend();
    async move { backend?.job(&name).await }
}

pub(super) fn run(run: RunId) -> impl Read<RunDetail> {
    let backend = backend();
    async move { backend?.run(&run).await }
}

pub(super) fn output(
    run: RunId,
    machine: MachineId,
    attempt: Attempt,
    from: OutputFrom,
    limit: usize,
) -> impl Read<OutputSlice> {
    let backend = backend();
    async move {
        backend?
            .output(&run, &machine, Some(attempt), from, limit)
            .await
    }
}

pub(super) fn lines(run: RunId, query: LinesQuery) -> impl Read<LinesPage> {
    let backend = backend();
    async move { backend?.lines(&run, &query).await }
}

pub(super) fn same_output(run: RunId) -> impl Read<Vec<SameOutput>> {
    let backend = backend();
    async move { backend?.same_output(&run).await }
}

pub(super) fn maintenance_page() -> impl Read<MaintenancePage> {
    let backend = backend();
    async move { backend?.maintenance_page().await }
}

pub(super) fn config_page() -> impl Read<ConfigPage> {
    let backend = backend();
    async move { backend?.config_page().await }
}

pub(super) fn runs(asked: Asked) -> impl Read<RunList> {
    let backend = backend();
    async move {
        let query = RunQuery::parse(asked.pairs())?;
        backend?.runs(&query).await
    }
}

pub(super) fn machines(asked: Asked) -> impl Read<MachineList> {
    let backend = backend();
    async move {
        let query = MachineQuery::parse(asked.pairs())?;
        backend?.machines(&query).await
    }
}

pub(super) fn timeline(asked: Asked) -> impl Read<Timeline> {
    let backend = backend();
    async move {
        let query = TimelineQuery::parse(asked.pairs())?;
        backend?.timeline(&query).await
    }
}
