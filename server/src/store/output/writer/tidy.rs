//! What the writer does between commits: entering blocks in the index, deleting, shrinking the file.

use super::super::place::Which;
use super::{PAGE, Writer};
use crate::store::transaction;
use saltpeter_protocol::RunId;
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

/// Free pages (1 MiB) that stay in the file, for what comes next.
const SPARE_PAGES: i64 = 64;

/// A step of tidying up.
pub(super) enum Tidy {
    Enter,
    Delete(RunId),
    Shrink,
}

impl Writer {
    /// Does a step. Returns whether there is more to do.
    pub(super) async fn tidy(&mut self, step: &Tidy) -> Result<bool, sqlx::Error> {
        match step {
            Tidy::Enter => {
                self.enter().await?;
                Ok(false)
            }
            Tidy::Delete(run) => self.delete_some(run).await,
            Tidy::Shrink => self.shrink_some().await,
        }
    }

    async fn enter(&mut self) -> Result<(), sqlx::Error> {
        transaction::begin(&mut self.connection).await?;
        let done = self.places.enter(&mut self.connection, Which::All).await;
        let entered = transaction::end(&mut self.connection, done).await?;
        self.places.entered(&entered);
        Ok(())
    }

    /// Has the index catch up, so that the next start need not.
    pub(super) async fn enter_all(&mut self) {
        if let Err(error) = self.enter().await {
            tracing::warn!(%error, "the output log's index is not up to date; the next start does that");
        }
    }

    async fn delete_some(&mut self, run: &RunId) -> Result<bool, sqlx::Error> {
        let (begun, some) = (Instant::now(), self.deleting.size());
        transaction::begin(&mut self.connection).await?;
        let done = async {
            let connection = &mut self.connection;
            // Blocks are found by their places.
            let entered = self.places.enter(connection, Which::All).await?;
            let gone = sqlx::query(DELETE_BLOCKS)
                .bind(run.as_str())
                .bind(some)
                .execute(&mut *connection)
                .await?
                .rows_affected();
            sqlx::query(DELETE_PLACES)
                .bind(run.as_str())
                .bind(some)
                .execute(&mut *connection)
                .await?;
            let more = gone == some as u64;
            if !more {
                sqlx::query("DELETE FROM output_stream WHERE run = $1")
                    .bind(run.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
            Ok::<_, sqlx::Error>((more, entered))
        }
        .await;
        let (more, entered) = transaction::end(&mut self.connection, done).await?;
        self.places.entered(&entered);
        self.deleting.took(begun.elapsed());
        self.committed(some as usize * PAGE as usize);
        Ok(more)
    }

    /// Moves pages from the file's end into free ones, and cuts the end off.
    async fn shrink_some(&mut self) -> Result<bool, sqlx::Error> {
        let (begun, some) = (Instant::now(), self.shrinking.size());
        let free: i64 = sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(&mut self.connection)
            .await?;
        let some = some.min(free - SPARE_PAGES);
        if some <= 0 {
            // Only what is folded back makes the file smaller.
            self.fold.notify_one();
            return Ok(false);
        }
        let vacuum = format!("PRAGMA incremental_vacuum({some})");
        sqlx::query(AssertSqlSafe(vacuum))
            .persistent(false)
            .execute(&mut self.connection)
            .await?;
        self.shrinking.took(begun.elapsed());
        self.committed(some as usize * PAGE as usize);
        Ok(true)
    }
}

pub(in super::super) const DELETE_BLOCKS: &str = "DELETE FROM output_block WHERE id IN (SELECT block FROM output_place \
     JOIN output_stream ON output_stream.id = output_place.stream \
     WHERE output_stream.run = $1 ORDER BY output_place.stream, start LIMIT $2)";

pub(in super::super) const DELETE_PLACES: &str = "DELETE FROM output_place WHERE (stream, start) IN (SELECT stream, start FROM output_place \
     JOIN output_stream ON output_stream.id = output_place.stream \
     WHERE output_stream.run = $1 ORDER BY output_place.stream, start LIMIT $2)";
