//! Crontabs made into jobs.

use super::Ops;
use super::config_file::blocking;
use saltpeter_domain::crontab::convert;
use saltpeter_protocol::api::{ApiError, ErrorCode, ImportRequest, ImportResult};

impl Ops {
    /// The jobs that a crontab makes. Nothing is written.
    pub async fn import_crontab(&self, request: ImportRequest) -> Result<ImportResult, ApiError> {
        let jobs = self.parts.config.current();
        let converted = blocking(move || {
            let taken = |name: &str| {
                jobs.jobs.contains_key(name) || jobs.invalid.iter().any(|job| job.name == name)
            };
            convert(&request, &taken)
        });
        let converted = converted.await?;
        converted.map_err(|error| ApiError::new(ErrorCode::Invalid, error.to_string()))
    }
}
