//! A change that was begun is brought to its end, also when the client goes away.
//!
//! A client that closes its connection takes the handler of its request with it, wherever that waits just then: a run would
//! be written down with nobody to look after it, a file would be half changed, and no entry of the audit trail would say so.

use super::error::Refusal;
use crate::lifecycle::Lifecycle;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use saltpeter_protocol::api::{ApiError, ErrorCode};
use tokio::sync::oneshot;

/// Handles what may change something in a task of its own, which the end of the server waits for. Whatever only reads ends
/// with its client.
pub(super) async fn finish(
    State(life): State<Lifecycle>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return next.run(request).await;
    }
    let (answer, answered) = oneshot::channel();
    life.spawn_brief(async move {
        // Nobody waiting any more is what this is for.
        let _ = answer.send(next.run(request).await);
    });
    answered.await.unwrap_or_else(|_| {
        let message = "the handling of the request broke off; the server's log says where";
        Refusal(ApiError::new(ErrorCode::Internal, message)).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::any;
    use axum::{Router, middleware};
    use futures::FutureExt as _;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    fn request(method: Method) -> Request {
        let request = Request::builder().method(method).uri("/");
        request.body(Body::empty()).unwrap()
    }

    /// Waits for `go`, and says so on `done`; the request is given up on before.
    async fn is_finished(method: Method) -> bool {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (wait, say) = (Arc::clone(&go), Arc::clone(&done));
        let slow = any(async move || {
            wait.notified().await;
            say.notify_one();
        });
        let life = Lifecycle::new();
        let routes = Router::new()
            .route("/", slow)
            .layer(middleware::from_fn_with_state(life.clone(), finish));
        let mut answer = Box::pin(routes.oneshot(request(method)));
        assert!(answer.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        drop(answer);
        go.notify_one();
        let patience = Duration::from_secs(1);
        tokio::time::timeout(patience, done.notified())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_something_goes_on_without_its_client_and_what_reads_does_not() {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert!(is_finished(method.clone()).await, "{method}");
        }
        assert!(!is_finished(Method::GET).await);
    }

    #[tokio::test]
    async fn a_handler_that_breaks_off_is_an_error() {
        let broken = any(async || assert!(std::hint::black_box(false), "broken"));
        let routes = Router::new()
            .route("/", broken)
            .layer(middleware::from_fn_with_state(Lifecycle::new(), finish));
        let response = routes.oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(response.status(), 500);
    }
}
