//! Finding the run that a wrapper names.

use crate::runs::{Gone, RunHandle, Runs};
use saltpeter_protocol::RunId;

/// The run of that name; `None` when there is none. [`Gone`] when that cannot be told now.
pub(super) async fn find(runs: &Runs, run: &RunId) -> Result<Option<RunHandle>, Gone> {
    let unreadable = |error| {
        tracing::error!(%run, %error, "a wrapper asks for a run that cannot be read");
        Gone
    };
    if let Some(found) = runs.handle(run).await.map_err(unreadable)? {
        return Ok(Some(found));
    }
    // A wrapper that hears that its run is not known drops its output: so only when that is certain.
    match runs.stored(run).await.map_err(unreadable)? {
        Some(_) => Err(Gone),
        None => Ok(None),
    }
}
