//! What pages read. On the server it comes from the backend, in the browser from the REST interface.

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

#[cfg(feature = "ssr")]
mod server {
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
}

// The signatures are the server's, where an answer keeps what it was asked for.
#[cfg(target_arch = "wasm32")]
#[expect(clippy::needless_pass_by_value)]
mod browser {
    use super::{
        ApiError, Asked, Attempt, ConfigPage, FirstView, JobDetail, JobName, LinesPage, LinesQuery,
        MachineId, MachineList, MaintenancePage, Method, OutputFrom, OutputSlice, Read, RunDetail,
        RunId, RunList, SameOutput, Timeline,
    };
    use crate::actions::{Action, Done};
    use crate::routes;
    use gloo_net::http::{Request, RequestBuilder, Response};
    use leptos::prelude::window;
    use saltpeter_protocol::api::{
        Edited, ErrorBody, ErrorCode, KillRequest, MaintenanceDiff, MaintenanceEdit, Overview,
        PauseRequest, Reading, RunStarted, SearchQuery, SearchStep,
    };
    use send_wrapper::SendWrapper;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    fn unreachable() -> ApiError {
        ApiError::new(
            ErrorCode::Unavailable,
            "the server does not answer; check the connection and try again",
        )
    }

    fn strange() -> ApiError {
        ApiError::new(
            ErrorCode::Internal,
            "the server's answer cannot be read; it may have been updated, so reload this page",
        )
    }

    async fn checked(response: Response) -> Result<Response, ApiError> {
        if response.ok() {
            return Ok(response);
        }
        // Whoever is not logged in any more is led to the login page, and back here from there.
        if response.status() == 401 {
            let _ = window().location().reload();
        }
        match response.json::<ErrorBody>().await {
            Ok(body) => Err(body.error),
            Err(_) => Err(strange()),
        }
    }

    async fn send(request: RequestBuilder) -> Result<Response, ApiError> {
        checked(request.send().await.map_err(|_| unreachable())?).await
    }

    async fn send_json<B: Serialize>(
        request: RequestBuilder,
        body: &B,
    ) -> Result<Response, ApiError> {
        let request = request.json(body).map_err(|_| strange())?;
        checked(request.send().await.map_err(|_| unreachable())?).await
    }

    async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
        response.json().await.map_err(|_| strange())
    }

    fn get<T: DeserializeOwned + 'static>(url: String) -> impl Read<T> {
        SendWrapper::new(async move { read(send(Request::get(&url)).await?).await })
    }

    pub(super) fn first(search: String) -> impl Read<FirstView> {
        SendWrapper::new(async move {
            let overview: Overview = get("/api/v1/overview".to_owned()).await?;
            Ok(FirstView::new(overview, &search))
        })
    }

    pub(super) fn job(name: JobName) -> impl Read<JobDetail> {
        get(format!("/api/v1/jobs/{name}"))
    }

    pub(super) fn run(run: RunId) -> impl Read<RunDetail> {
        get(format!("/api/v1/runs/{run}"))
    }

    pub(super) fn output(
        run: RunId,
        machine: MachineId,
        attempt: Attempt,
        from: OutputFrom,
        limit: usize,
    ) -> impl Read<OutputSlice> {
        let from = match from {
            OutputFrom::Offset(n) => format!("offset={n}"),
            OutputFrom::Line(n) => format!("line={n}"),
            OutputFrom::Tail(n) => format!("tail={n}"),
        };
        let url = format!(
            "{}?attempt={attempt}&{from}&limit={limit}",
            routes::output_api(&run, &machine)
        );
        SendWrapper::new(async move {
            let response = send(Request::get(&url)).await?;
            let bytes = response.binary().await.map_err(|_| unreachable())?;
            OutputSlice::decode(&bytes).map_err(|_| strange())
        })
    }

    pub(super) fn lines(run: RunId, query: LinesQuery) -> impl Read<LinesPage> {
        let reading = match query.reading {
            Reading::Before => "before",
            Reading::After => "after",
        };
        let mut url = format!(
            "/api/v1/runs/{run}/output/lines?machines={}&stderr={}&reading={reading}",
            routes::escape(&query.machines),
            query.stderr
        );
        for (key, value) in [
            ("attempt", query.attempt.map(|attempt| attempt.to_string())),
            ("at", query.at),
        ] {
            if let Some(value) = value {
                url = format!("{url}&{key}={value}");
            }
        }
        get(url)
    }

    pub(super) fn same_output(run: RunId) -> impl Read<Vec<SameOutput>> {
        get(format!("/api/v1/runs/{run}/output/same"))
    }

    /// Searches a machine's output, one step further.
    pub(crate) fn search(
        run: RunId,
        machine: MachineId,
        query: SearchQuery,
    ) -> impl Read<SearchStep> {
        let mut url = format!(
            "{}/search?q={}&regex={}&case={}&line={}",
            routes::output_api(&run, &machine),
            routes::escape(&query.q),
            query.regex,
            query.case,
            query.line
        );
        for (key, value) in [
            ("skip", query.skip.map(|skip| skip.to_string())),
            ("limit", query.limit.map(|limit| limit.to_string())),
            ("attempt", query.attempt.map(|attempt| attempt.to_string())),
        ] {
            if let Some(value) = value {
                url = format!("{url}&{key}={value}");
            }
        }
        get(url)
    }

    pub(super) fn maintenance_page() -> impl Read<MaintenancePage> {
        get("/api/v1/maintenance".to_owned())
    }

    pub(super) fn config_page() -> impl Read<ConfigPage> {
        get("/api/v1/config".to_owned())
    }

    pub(super) fn runs(asked: Asked) -> impl Read<RunList> {
        get(asked.address("/api/v1/runs"))
    }

    pub(super) fn machines(asked: Asked) -> impl Read<MachineList> {
        get(asked.address("/api/v1/machines"))
    }

    pub(super) fn timeline(asked: Asked) -> impl Read<Timeline> {
        get(asked.address("/api/v1/timeline"))
    }

    /// Reads what stands at an address of the REST interface, of the same place that the page is from.
    pub(crate) async fn fetch<T: DeserializeOwned>(url: &str) -> Result<T, ApiError> {
        read(send(Request::get(url)).await?).await
    }

    /// Sends a body there, and reads the answer.
    pub(crate) async fn ask<B: Serialize, T: DeserializeOwned>(
        method: Method,
        url: &str,
        body: &B,
    ) -> Result<T, ApiError> {
        let request = match method {
            Method::Post => Request::post(url),
            Method::Put => Request::put(url),
        };
        read(send_json(request, body).await?).await
    }

    /// What an edit would write.
    pub(crate) async fn maintenance_diff(
        edit: MaintenanceEdit,
    ) -> Result<MaintenanceDiff, ApiError> {
        read(send_json(Request::post("/api/v1/maintenance/diff"), &edit).await?).await
    }

    /// Writes an edit.
    pub(crate) async fn maintenance_save(
        edit: MaintenanceEdit,
    ) -> Result<MaintenancePage, ApiError> {
        read(send_json(Request::put("/api/v1/maintenance"), &edit).await?).await
    }

    /// Does what a person asked for.
    pub(crate) async fn perform(action: Action) -> Result<Done, ApiError> {
        let started = |response| async {
            let started: RunStarted = read(response).await?;
            Ok(Done::Started(started.run))
        };
        match action {
            Action::Start(job) => {
                let url = format!("/api/v1/jobs/{job}/run");
                started(send(Request::post(&url)).await?).await
            }
            Action::Again(run) => {
                let url = format!("/api/v1/runs/{run}/again");
                started(send(Request::post(&url)).await?).await
            }
            Action::KillJob(job) => {
                let url = format!("/api/v1/jobs/{job}/kill");
                send(Request::post(&url)).await?;
                Ok(Done::Asked)
            }
            Action::KillRun(run) => kill(run, None).await,
            Action::KillMachine(run, machine) => kill(run, Some(machine)).await,
            Action::Pause(job) => pause(job, true).await,
            Action::Resume(job) => pause(job, false).await,
            Action::EndMaintenance => {
                let page: MaintenancePage = maintenance_page().await?;
                maintenance_save(MaintenanceEdit {
                    version: page.version,
                    global: false,
                    groups: Edited::AsItIs,
                    machines: page.current.machines.into_iter().map(Into::into).collect(),
                    reason: Edited::AsItIs,
                    until: Edited::AsItIs,
                })
                .await?;
                Ok(Done::Asked)
            }
        }
    }

    async fn kill(run: RunId, machine: Option<MachineId>) -> Result<Done, ApiError> {
        let url = format!("/api/v1/runs/{run}/kill");
        send_json(Request::post(&url), &KillRequest { machine }).await?;
        Ok(Done::Asked)
    }

    async fn pause(job: JobName, paused: bool) -> Result<Done, ApiError> {
        let url = format!("/api/v1/jobs/{job}/pause");
        send_json(Request::post(&url), &PauseRequest { paused }).await?;
        Ok(Done::Asked)
    }
}

/// Event handlers are compiled everywhere and run in browsers only; this is what they would get elsewhere.
#[cfg(not(target_arch = "wasm32"))]
mod nowhere {
    use super::Method;
    use crate::actions::{Action, Done};
    use saltpeter_protocol::api::{
        ApiError, ErrorCode, MaintenanceDiff, MaintenanceEdit, MaintenancePage, SearchQuery,
        SearchStep,
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

    pub(crate) async fn search(
        _: RunId,
        _: MachineId,
        _: SearchQuery,
    ) -> Result<SearchStep, ApiError> {
        refuse()
    }

    #[cfg(not(feature = "ssr"))]
    mod reads {
        use super::super::{
            Asked, Attempt, ConfigPage, FirstView, JobDetail, JobName, LinesPage, LinesQuery,
            MachineId, MachineList, MaintenancePage, OutputFrom, OutputSlice, Read, RunDetail,
            RunId, RunList, SameOutput, Timeline,
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
}
