//! Where pages are rendered, what they read comes from the backend.

use super::{ApiError, Read};
use crate::backend::SharedBackend;
use leptos::prelude::use_context;
use saltpeter_protocol::api::ErrorCode;

/// Reads by `call`. The path is for browsers.
pub(super) fn read<T, F, A>(_: String, call: F) -> impl Read<T>
where
    F: FnOnce(SharedBackend) -> A + Send + 'static,
    A: Read<T>,
{
    // The context is read before anything is awaited; afterwards it may be gone.
    let backend = use_context::<SharedBackend>();
    async move {
        let backend = backend.ok_or_else(|| {
            ApiError::new(
                ErrorCode::Unavailable,
                "the server has no state to show yet; try again in a moment",
            )
        })?;
        call(backend).await
    }
}

/// Between the two nothing has to be decoded.
pub(super) use read as read_output;
