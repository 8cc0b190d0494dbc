//! In the browser everything goes through the REST interface.

use super::{ApiError, Method, OutputSlice, Read};
use crate::backend::SharedBackend;
use gloo_net::http::{Request, RequestBuilder, Response};
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

async fn get(path: &str) -> Result<Response, ApiError> {
    checked(Request::get(path).send().await.map_err(|_| unreachable())?).await
}

async fn send<B: Serialize>(request: RequestBuilder, body: &B) -> Result<Response, ApiError> {
    let request = request.json(body).map_err(|_| strange())?;
    checked(request.send().await.map_err(|_| unreachable())?).await
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T, ApiError> {
    response.json().await.map_err(|_| strange())
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
        let bytes = get(&path).await?.binary().await;
        let bytes = bytes.map_err(|_| unreachable())?;
        OutputSlice::decode(&bytes).map_err(|_| strange())
    })
}

/// Reads what stands at an address of the REST interface, of the same place that the page is from.
pub(crate) async fn fetch<T: DeserializeOwned>(path: &str) -> Result<T, ApiError> {
    json(get(path).await?).await
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
    json(send(request, body).await?).await
}

/// Sends a body there; that it was taken is all there is to know.
pub(super) async fn tell<B: Serialize>(path: &str, body: &B) -> Result<(), ApiError> {
    send(Request::post(path), body).await?;
    Ok(())
}
