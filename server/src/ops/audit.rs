//! Reading the audit trail.

use super::Ops;
use crate::audit::{Place, Wanted};
use saltpeter_domain::audit::Entry;
use saltpeter_protocol::api::ApiError;

impl Ops {
    /// Up to `limit` entries with their numbers.
    pub async fn audit(
        &self,
        wanted: &Wanted,
        place: Place,
        limit: u32,
    ) -> Result<Vec<(i64, Entry)>, ApiError> {
        let read = self.parts.trail.read(wanted, place, limit).await;
        read.map_err(|error| self.store_failed(&error))
    }
}
