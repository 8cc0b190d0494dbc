//! In the browser everything goes through the REST interface.

use super::{ApiError, Method, OutputSlice, Read};
use crate::backend::SharedBackend;
use gloo_net::Error;
use gloo_net::http::{Request, Response};
use leptos::prelude::window;
use saltpeter_protocol::api::{ErrorBody, ErrorCode};
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

/// Sends a request. An answer that is an error becomes one.
async fn send(request: Result<Request, Error>) -> Result<Response, ApiError> {
    let request = request.map_err(|_| strange())?;
    let response = request.send().await.map_err(|_| unreachable())?;
    if response.ok() {
        return Ok(response);
    }
    // Whoever is not logged in any more is led to the login page, and back here from there.
    if response.status() == 401 {
        let _ = window().location().reload();
    }
    let body: ErrorBody = response.json().await.map_err(|_| strange())?;
    Err(body.error)
}

// Each answer is of a type of its own: what waits for it is the same for all of them, and is downloaded once.
async fn text(request: Result<Request, Error>) -> Result<String, ApiError> {
    send(request).await?.text().await.map_err(|_| strange())
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|_| strange())
}

/// Reads what stands at `path`. The call is for servers.
pub(super) fn read<T, F, A>(path: String, _: F) -> impl Read<T>
where
    T: DeserializeOwned + 'static,
    F: FnOnce(SharedBackend) -> A,
    A: Read<T>,
{
    SendWrapper::new(async move { fetch(&path).await })
}

/// Reads output, which is not JSON.
pub(super) fn read_output<F, A>(path: String, _: F) -> impl Read<OutputSlice>
where
    F: FnOnce(SharedBackend) -> A,
    A: Read<OutputSlice>,
{
    SendWrapper::new(async move {
        let response = send(Request::get(&path).build()).await?;
        let bytes = response.binary().await.map_err(|_| unreachable())?;
        OutputSlice::decode(&bytes).map_err(|_| strange())
    })
}

/// Reads what stands at an address of the REST interface, of the same place that the page is from.
pub(crate) async fn fetch<T: DeserializeOwned>(path: &str) -> Result<T, ApiError> {
    json(&text(Request::get(path).build()).await?)
}

/// Sends a body there, and reads the answer.
pub(crate) async fn ask<B: Serialize, T: DeserializeOwned>(
    method: Method,
    path: &str,
    body: &B,
) -> Result<T, ApiError> {
    let request = match method {
        Method::Post => Request::post(path),
        Method::Put => Request::put(path),
    };
    json(&text(request.json(body)).await?)
}

/// Sends a body there; that it was taken is all there is to know.
pub(super) async fn tell<B: Serialize>(path: &str, body: &B) -> Result<(), ApiError> {
    send(Request::post(path).json(body)).await.map(drop)
}
