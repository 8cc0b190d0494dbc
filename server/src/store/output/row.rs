//! The rows of streams: made with a stream's first commit, and told the numbers of version 1 messages.

use super::insert::{Insert, Query};
use super::stream::Cell;
use sqlx::SqliteConnection;
use std::sync::Arc;

/// The table of streams, as the writer keeps it.
pub(super) struct StreamRows {
    /// The id that the next stream gets.
    next: i64,
    insert: Insert,
}

/// What a commit changes.
pub(super) struct Change {
    next: i64,
    made: Vec<(i64, Arc<Cell>, Option<u64>)>,
    /// Rows that exist, and the last number of each.
    counted: Vec<(i64, u64)>,
}

impl StreamRows {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let next = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM output_stream")
            .fetch_one(connection)
            .await?;
        Ok(Self {
            next,
            insert: Insert::new(
                "INSERT INTO output_stream (id, run, machine, attempt, v1_seq)",
                5,
            ),
        })
    }

    /// No change yet.
    pub(super) fn change(&self) -> Change {
        Change {
            next: self.next,
            made: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Writes the changes, as part of a commit. Returns what [`StreamRows::written`] wants to hear after it.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        change: Change,
    ) -> Result<i64, sqlx::Error> {
        self.insert.rows(connection, change.made, bind).await?;
        for (row, seq) in change.counted {
            sqlx::query("UPDATE output_stream SET v1_seq = $1 WHERE id = $2")
                .bind(seq as i64)
                .bind(row)
                .execute(&mut *connection)
                .await?;
        }
        Ok(change.next)
    }

    /// The commit is done.
    pub(super) fn written(&mut self, next: i64) {
        self.next = next;
    }
}

impl Change {
    /// The row of a stream, which occurs once in a commit; notes its last number.
    pub(super) fn of(&mut self, cell: &Arc<Cell>, v1_seq: Option<u64>) -> i64 {
        if let Some(row) = cell.row() {
            self.counted.extend(v1_seq.map(|seq| (row, seq)));
            return row;
        }
        let row = self.next;
        self.next += 1;
        self.made.push((row, Arc::clone(cell), v1_seq));
        row
    }
}

/// Binds a new row's columns.
fn bind(query: Query<'_>, (row, cell, seq): (i64, Arc<Cell>, Option<u64>)) -> Query<'_> {
    query
        .bind(row)
        .bind(cell.run.as_str().to_owned())
        .bind(cell.machine.as_str().to_owned())
        .bind(cell.attempt.get())
        .bind(seq.map(|seq| seq as i64))
}
