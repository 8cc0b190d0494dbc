//! Folding the write-ahead log back into the file, beside the commits: in one of them it would hold the next ones up.

use sqlx::{Connection as _, SqliteConnection};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes of the write-ahead log, about, after which it is folded back.
pub(super) const FOLD_BYTES: usize = 8 * 1024 * 1024;

/// Pages of the write-ahead log (64 MiB) at which a commit folds the rest back itself, so that the log can begin anew.
/// While output keeps coming nobody else can; most is done by then.
pub(super) const RESTART_PAGES: &str = "4096";

/// Folds back whenever it is `due`, until `closing`.
pub(super) async fn fold(
    mut connection: SqliteConnection,
    due: Arc<Notify>,
    closing: CancellationToken,
) {
    loop {
        tokio::select! {
            () = closing.cancelled() => break,
            () = due.notified() => {}
        }
        // Passive: waits for nobody, and nobody for it. What it leaves is for the next time.
        let folded = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection);
        if let Err(error) = folded.await {
            tracing::debug!(%error, "the output log's write-ahead log was not folded back");
        }
    }
    // The writer folds back what is left.
    let _ = connection.close().await;
}
