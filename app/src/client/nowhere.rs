//! Event handlers are compiled everywhere and run in browsers only; this is what they would get elsewhere.

use super::{ApiError, Method};
use saltpeter_protocol::api::ErrorCode;

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

pub(super) async fn tell<B>(_: &str, _: &B) -> Result<(), ApiError> {
    refuse()
}

#[cfg(not(feature = "ssr"))]
mod reads {
    use crate::backend::SharedBackend;
    use crate::client::Read;

    pub(crate) fn read<T, F, A>(_: String, _: F) -> impl Read<T>
    where
        F: FnOnce(SharedBackend) -> A,
        A: Read<T>,
    {
        async { super::refuse() }
    }

    pub(crate) use read as read_output;
}
#[cfg(not(feature = "ssr"))]
pub(super) use reads::{read, read_output};
