//! Reading the audit trail.

use super::Ops;
use crate::audit::{Place, Wanted};
use crate::people::Caller;
use saltpeter_domain::access::Deed;
use saltpeter_domain::audit::Entry;
use saltpeter_protocol::api::ApiError;

impl Ops {
    /// Up to `limit` entries with their numbers, for an admin.
    pub async fn audit(
        &self,
        caller: &Caller,
        wanted: &Wanted,
        place: Place,
        limit: u32,
    ) -> Result<Vec<(i64, Entry)>, ApiError> {
        self.parts.people.permit(caller, Deed::Administer).await?;
        let read = self.parts.trail.read(wanted, place, limit).await;
        read.map_err(|error| self.store_failed(&error))
    }
}
