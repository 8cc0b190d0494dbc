//! Event handlers are compiled everywhere and run in browsers only; this is what they would get elsewhere.

use super::Method;
use crate::actions::{Action, Done};
use saltpeter_protocol::api::{
    ApiError, ErrorCode, MaintenanceDiff, MaintenanceEdit, MaintenancePage, SearchQuery, SearchStep,
};
use saltpeter_protocol::{MachineId, RunId};

fn refuse<T>() -> Result<T, ApiError> {
    let message = "this build of the dashboard has neither a server nor a browser around it";
    Err(ApiError::new(ErrorCode::Unavailable, message))
}

pub(crate) async fn fetch<T>(_: &str) -> Result<T, ApiError> {
    refuse()
}

pub(crate) async fn ask<B, T>(_: Method, _: &str, _: &B) -> Result<T, ApiError> {
    refuse()
}

pub(crate) async fn maintenance_diff(_: MaintenanceEdit) -> Result<MaintenanceDiff, ApiError> {
    refuse()
}

pub(crate) async fn maintenance_save(_: MaintenanceEdit) -> Result<MaintenancePage, ApiError> {
    refuse()
}

pub(crate) async fn perform(_: Action) -> Result<Done, ApiError> {
    refuse()
}

pub(crate) async fn search(_: RunId, _: MachineId, _: SearchQuery) -> Result<SearchStep, ApiError> {
    refuse()
}

#[cfg(not(feature = "ssr"))]
mod reads {
    use super::super::{
        Asked, Attempt, ConfigPage, FirstView, JobDetail, JobName, LinesPage, LinesQuery,
        MachineId, MachineList, MaintenancePage, OutputFrom, OutputSlice, Read, RunDetail, RunId,
        RunList, SameOutput, Timeline,
    };
    use super::refuse;

    pub(crate) fn first(_: String) -> impl Read<FirstView> {
        async { refuse() }
    }

    pub(crate) fn job(_: JobName) -> impl Read<JobDetail> {
        async { refuse() }
    }

    pub(crate) fn run(_: RunId) -> impl Read<RunDetail> {
        async { refuse() }
    }

    pub(crate) fn output(
        _: RunId,
        _: MachineId,
        _: Attempt,
        _: OutputFrom,
        _: usize,
    ) -> impl Read<OutputSlice> {
        async { refuse() }
    }

    pub(crate) fn lines(_: RunId, _: LinesQuery) -> impl Read<LinesPage> {
        async { refuse() }
    }

    pub(crate) fn same_output(_: RunId) -> impl Read<Vec<SameOutput>> {
        async { refuse() }
    }

    pub(crate) fn maintenance_page() -> impl Read<MaintenancePage> {
        async { refuse() }
    }

    pub(crate) fn config_page() -> impl Read<ConfigPage> {
        async { refuse() }
    }

    pub(crate) fn runs(_: Asked) -> impl Read<RunList> {
        async { refuse() }
    }

    pub(crate) fn machines(_: Asked) -> impl Read<MachineList> {
        async { refuse() }
    }

    pub(crate) fn timeline(_: Asked) -> impl Read<Timeline> {
        async { refuse() }
    }
}
#[cfg(not(feature = "ssr"))]
pub(super) use reads::{
    config_page, first, job, lines, machines, maintenance_page, output, run, runs, same_output,
    timeline,
};
