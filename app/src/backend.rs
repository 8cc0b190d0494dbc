//! What the pages need from the server while they are rendered there. The server implements
//! [`Backend`] and puts it into Leptos' context; the browser asks the REST interface for the same.

use saltpeter_protocol::api::{
    ApiError, ConfigPage, JobDetail, LinesPage, LinesQuery, MachineList, MachineQuery,
    MaintenancePage, OutputFrom, OutputSlice, Overview, RunDetail, RunList, RunQuery, SameOutput,
    Timeline, TimelineQuery,
};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// An answer that is on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// How pages find the backend in Leptos' context.
pub type SharedBackend = Arc<dyn Backend>;

/// Reads for rendering. Each method answers what the REST route of the same name answers.
pub trait Backend: Send + Sync + 'static {
    /// All jobs and what stands around every page.
    fn overview(&self) -> Answer<'_, Overview>;

    /// One job; [`ErrorCode::UnknownJob`](saltpeter_protocol::api::ErrorCode) when there is none.
    fn job<'a>(&'a self, name: &'a JobName) -> Answer<'a, JobDetail>;

    /// One run; [`ErrorCode::UnknownRun`](saltpeter_protocol::api::ErrorCode) when there is none.
    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, RunDetail>;

    /// A piece of a machine's output of about `limit` bytes at most, in whole chunks; of its newest attempt unless
    /// another is asked for.
    fn output<'a>(
        &'a self,
        run: &'a RunId,
        machine: &'a MachineId,
        attempt: Option<Attempt>,
        from: OutputFrom,
        limit: usize,
    ) -> Answer<'a, OutputSlice>;

    /// Lines of one or several of a run's machines, by time.
    fn lines<'a>(&'a self, run: &'a RunId, query: &'a LinesQuery) -> Answer<'a, LinesPage>;

    /// The machines of a run, grouped by what they have written.
    fn same_output<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<SameOutput>>;

    /// The maintenance editor's page.
    fn maintenance_page(&self) -> Answer<'_, MaintenancePage>;

    /// The configuration as it is loaded.
    fn config_page(&self) -> Answer<'_, ConfigPage>;

    /// Runs, newest first.
    fn runs<'a>(&'a self, query: &'a RunQuery) -> Answer<'a, RunList>;

    /// Machines.
    fn machines<'a>(&'a self, query: &'a MachineQuery) -> Answer<'a, MachineList>;

    /// What ran when, and what will.
    fn timeline<'a>(&'a self, query: &'a TimelineQuery) -> Answer<'a, Timeline>;
}
