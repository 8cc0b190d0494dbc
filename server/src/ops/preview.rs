//! What a job would do, before it is saved or run.

use super::Ops;
use crate::people::Caller;
use crate::settings::host_zone;
use crate::view;
use saltpeter_domain::access::Deed;
use saltpeter_domain::config::{Trial, is_config_file};
use saltpeter_protocol::api::{ApiError, ErrorCode, MAX_PREVIEWED_JOBS, Preview, PreviewRequest};

impl Ops {
    /// Checks a text as a file of the configuration, and tells when its jobs would fire and where.
    pub async fn preview(
        &self,
        caller: &Caller,
        request: &PreviewRequest,
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
        let trial = Trial::new(
            &request.file,
            &request.yaml,
            &set.settings,
            host_zone(),
            now,
        );
        let mut jobs = Vec::new();
        for job in trial.jobs.values().take(MAX_PREVIEWED_JOBS) {
            let executor = &self.parts.executor;
            let machines = executor.explain(&job.targets, &set.maintenance, now).await;
            let machines = machines.map_err(|error| error.to_string());
            jobs.push(view::job_preview(job, set.default_zone, now, machines));
        }
        Ok(Preview {
            problems: trial
                .problems
                .iter()
                .map(|problem| view::problem(problem, false))
                .collect(),
            jobs,
        })
    }
}
