//! Where blocks lie: the index, which is written some moments after the blocks.
//!
//! What it lacks is kept in memory, with the streams ([`Cell::tail`]), so that readers find every block. After the death
//! of the server it is made up for when the log is opened.

use super::insert::{Insert, Query};
use super::stream::Cell;
use sqlx::{Row as _, SqliteConnection};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a stream's blocks wait to be entered together.
const WAIT: Duration = Duration::from_secs(1);

/// Blocks that one commit enters; the rest of those that are due is for the next, so that none takes long.
const AT_ONCE: usize = 2000;

/// A block's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Its id.
    pub(super) block: i64,
}

/// A stream with blocks that are not in the index yet.
struct Behind {
    cell: Arc<Cell>,
    row: i64,
    /// The first of those blocks.
    first: i64,
    since: Instant,
}

/// Which streams are to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that have waited long enough, as many as go into one commit.
    Due,
    /// All that wait.
    All,
}

/// The index, as the writer keeps it.
pub(super) struct Places {
    /// In the order of their first blocks.
    behind: VecDeque<Behind>,
    insert: Insert,
    /// The id that the next block gets.
    next: i64,
    /// As it stands in the file: all blocks before this one are in the index.
    before: i64,
}

/// What a commit enters.
pub(super) struct Entered {
    streams: usize,
    before: i64,
}

impl Places {
    /// Enters what the index lacks, and knows it from then on.
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query(
            "INSERT INTO output_place (stream, start, block) SELECT stream, start, id FROM output_block \
             WHERE id >= (SELECT before FROM output_placed) ON CONFLICT DO NOTHING",
        )
        .execute(&mut *connection)
        .await?;
        let next: i64 = sqlx::query("SELECT COALESCE(MAX(id), 0) + 1 FROM output_block")
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        set_before(connection, next).await?;
        Ok(Self {
            behind: VecDeque::new(),
            insert: Insert::new("INSERT INTO output_place (stream, start, block)", 3),
            next,
            before: next,
        })
    }

    /// The id that the next block gets.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// When the first of the streams that wait has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.behind.front().map(|behind| behind.since + WAIT)
    }

    /// Enters the blocks of `which` streams, as part of a commit.
    pub(super) async fn enter(
        &self,
        connection: &mut SqliteConnection,
        which: Which,
    ) -> Result<Entered, sqlx::Error> {
        let now = Instant::now();
        let mut streams = 0;
        let mut rows = Vec::new();
        for behind in &self.behind {
            let goes = match which {
                Which::All => true,
                Which::Due => behind.since + WAIT <= now && rows.len() < AT_ONCE,
            };
            if !goes {
                break;
            }
            let tail = behind.cell.tail();
            rows.extend(tail.iter().map(|place| (behind.row, *place)));
            streams += 1;
        }
        self.insert.rows(connection, rows, bind_place).await?;
        let before = self
            .behind
            .get(streams)
            .map_or(self.next, |first| first.first);
        if before != self.before {
            set_before(connection, before).await?;
        }
        Ok(Entered { streams, before })
    }

    /// The commit that entered these is done.
    pub(super) fn entered(&mut self, entered: &Entered) {
        for behind in self.behind.drain(..entered.streams) {
            behind.cell.clear_tail();
        }
        self.before = entered.before;
    }

    /// A commit has written the blocks of a stream; `blocks` begins with the id that was next.
    pub(super) fn written(&mut self, cell: &Arc<Cell>, row: i64, starts: &[u64]) {
        let Some(last) = starts.len().checked_sub(1) else {
            return;
        };
        let first = self.next;
        self.next = first + last as i64 + 1;
        let places = starts.iter().zip(first..).map(|(start, block)| Place {
            start: *start,
            block,
        });
        if cell.extend_tail(places) {
            self.behind.push_back(Behind {
                cell: cell.clone(),
                row,
                first,
                since: Instant::now(),
            });
        }
    }
}

/// Binds a place's columns.
fn bind_place(query: Query<'_>, (stream, place): (i64, Place)) -> Query<'_> {
    query
        .bind(stream)
        .bind(place.start as i64)
        .bind(place.block)
}

async fn set_before(connection: &mut SqliteConnection, before: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE output_placed SET before = $1")
        .bind(before)
        .execute(connection)
        .await?;
    Ok(())
}
