//! What a job would do, before it is saved or run.

use super::Ops;
use super::config_file::blocking;
use crate::people::Caller;
use crate::settings::host_zone;
use crate::view;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::{Trial, is_config_file};
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{
    ApiError, ErrorCode, JobPreview, MAX_PREVIEWED_JOBS, Preview, PreviewRequest,
};
use std::sync::Arc;

impl Ops {
    /// Checks a text as a file of the configuration, and tells when its jobs would fire and where.
    pub async fn preview(
        &self,
        caller: &Caller,
        request: PreviewRequest,
    ) -> Result<Preview, ApiError> {
        // Whoever may ask for any target finds out by it what machines are like.
        self.parts.people.permit(caller, Deed::OperateAll).await?;
        if !is_config_file(&request.file) || request.file.contains('/') {
            let message = format!(
                "file: {:?} is no name of a configuration file, such as \"web.yaml\"",
                request.file
            );
            return Err(ApiError::new(ErrorCode::Invalid, message));
        }
        let now = self.parts.clock.now();
        let set = self.parts.config.current();
        let PreviewRequest { file, yaml } = request;
        let settings = Arc::clone(&set.settings);
        // A text of ten thousand jobs takes a good part of a second.
        let trial = blocking(move || Trial::new(&file, &yaml, &settings, host_zone(), now)).await?;
        let problems = trial.problems.iter();
        Ok(Preview {
            problems: problems
                .map(|problem| view::problem(problem, false))
                .collect(),
            jobs: self.previews(trial.jobs.values(), &set, now).await,
        })
    }

    /// What the first of `jobs` would do from `now` on.
    pub(super) async fn previews<'j>(
        &self,
        jobs: impl Iterator<Item = &'j Arc<Job>> + Send,
        set: &JobSet,
        now: UnixMillis,
    ) -> Vec<JobPreview> {
        let mut previews = Vec::new();
        for job in jobs.take(MAX_PREVIEWED_JOBS) {
            let executor = &self.parts.executor;
            let machines = executor.explain(&job.targets, &set.maintenance, now).await;
            let machines = machines.map_err(|error| error.to_string());
            previews.push(view::job_preview(job, set.default_zone, now, machines));
        }
        previews
    }
}
