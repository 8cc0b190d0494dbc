//! The one task that writes the log.

use super::block::{Block, encode_marks, encoding_number, join};
use super::error::OutputError;
use super::fold::FOLD_BYTES;
use super::insert::{Insert, Query};
use super::piece::Piece;
use super::place::{Places, Which};
use super::stream::{Cell, Durable};
use crate::store::health::Commits;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::OutputLength;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Commits follow each other no closer than this unless [`GROUP_BYTES`] are waiting. The first piece after a pause is
/// committed at once.
const GROUP_WINDOW: Duration = Duration::from_millis(10);

/// Bytes of one commit after which it waits no longer.
pub(super) const GROUP_BYTES: usize = 1024 * 1024;

/// Pieces of one commit after which it waits no longer.
const GROUP_PIECES: usize = 4096;

/// Pause after a commit that failed (disk full, read-only …). Nothing is acknowledged meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Rows that one step of a deletion takes.
const DELETE_STEP: i64 = 256;

/// What the writer is asked to do, in order.
pub(super) enum Order {
    Write(Piece),
    /// Deletes some blocks of a run; answers whether there are more.
    DeleteSome {
        run: RunId,
        reply: oneshot::Sender<Result<bool, OutputError>>,
    },
    Close,
}

pub(super) struct Writer {
    connection: SqliteConnection,
    inbox: mpsc::UnboundedReceiver<Order>,
    /// Told when [`GROUP_BYTES`] may be waiting.
    enough: Arc<Notify>,
    /// Cancelled once the log is being closed: what cannot be written then is given up.
    closing: CancellationToken,
    commits: Commits,
    insert: Insert,
    places: Places,
    /// Told when there is something to fold back.
    fold: Arc<Notify>,
    /// Bytes committed since.
    unfolded: usize,
    last_commit: Option<Instant>,
}

/// What follows a gathered group.
enum Next {
    Gather,
    Delete(RunId, oneshot::Sender<Result<bool, OutputError>>),
    Close,
}

/// What ends a pause.
enum First {
    /// An order; none when nobody is left who could send one.
    Came(Option<Order>),
    PlacesDue,
}

/// What one stream gets in a commit.
struct Share {
    cell: Arc<Cell>,
    durable: Durable,
    blocks: Vec<Block>,
    v1_seq: Option<u64>,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        places: Places,
        (inbox, enough): (mpsc::UnboundedReceiver<Order>, Arc<Notify>),
        fold: Arc<Notify>,
        closing: CancellationToken,
        commits: Commits,
    ) -> Self {
        Self {
            connection,
            inbox,
            enough,
            closing,
            commits,
            insert: Insert::new(INSERT_BLOCKS, 9),
            places,
            fold,
            unfolded: 0,
            last_commit: None,
        }
    }

    /// Works until it is closed, or nobody is left who could send.
    pub(super) async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let next = self.gather(&mut group).await;
            let places_due = self.places.due().is_some_and(|due| due <= Instant::now());
            if !group.is_empty() || places_due {
                if !self.write(&group).await {
                    break;
                }
                group.clear();
            }
            match next {
                Next::Gather => {}
                Next::Delete(run, reply) => {
                    // The asker may have gone away.
                    let commits = self.commits.clone();
                    let deleted = commits.watch(self.delete_some(&run)).await;
                    let _ = reply.send(deleted.map_err(Into::into));
                }
                Next::Close => {
                    self.enter_all().await;
                    break;
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the output log was not closed cleanly; nothing acknowledged is lost");
        }
    }

    /// Collects pieces until it is time to commit them.
    async fn gather(&mut self, group: &mut Vec<Piece>) -> Next {
        let mut bytes = 0;
        let mut due: Option<Instant> = None;
        loop {
            let order = match self.inbox.try_recv() {
                Ok(order) => Some(order),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => match due {
                    Some(due) if due <= Instant::now() => return Next::Gather,
                    // Not until the next piece: waking up for each costs more than the pieces.
                    Some(due) => {
                        tokio::select! {
                            () = tokio::time::sleep_until(due) => {}
                            () = self.enough.notified() => {}
                        }
                        continue;
                    }
                    None => match self.first().await {
                        First::Came(order) => order,
                        First::PlacesDue => return Next::Gather,
                    },
                },
            };
            match order {
                Some(Order::Write(piece)) => {
                    bytes += piece.weight();
                    group.push(piece);
                    if bytes >= GROUP_BYTES || group.len() >= GROUP_PIECES {
                        return Next::Gather;
                    }
                    let now = Instant::now();
                    due.get_or_insert_with(|| {
                        self.last_commit.map_or(now, |last| last + GROUP_WINDOW)
                    });
                }
                Some(Order::DeleteSome { run, reply }) => return Next::Delete(run, reply),
                Some(Order::Close) | None => return Next::Close,
            }
        }
    }

    /// Waits for the next order, as long as the index lacks nothing that is due.
    async fn first(&mut self) -> First {
        let Some(due) = self.places.due() else {
            return First::Came(self.inbox.recv().await);
        };
        match tokio::time::timeout_at(due, self.inbox.recv()).await {
            Ok(order) => First::Came(order),
            Err(_) => First::PlacesDue,
        }
    }

    /// Commits, however long it takes. False when the log is closed before that.
    async fn write(&mut self, group: &[Piece]) -> bool {
        self.last_commit = Some(Instant::now());
        let commits = self.commits.clone();
        while let Err(error) = commits.watch(self.commit(share_out(group))).await {
            tracing::error!(
                %error,
                "output cannot be written; nothing is acknowledged until it can. Check the disk's room and permissions"
            );
            let paused = tokio::time::timeout(RETRY_PAUSE, self.closing.cancelled()).await;
            if paused.is_ok() {
                return false;
            }
        }
        true
    }

    async fn commit(&mut self, shares: Vec<Share>) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        let mut written = Vec::with_capacity(shares.len());
        let mut rows = Vec::new();
        for share in shares {
            let stream = stream_row(&mut transaction, &share).await?;
            let starts: Vec<u64> = share.blocks.iter().map(|block| block.start).collect();
            rows.extend(share.blocks.into_iter().map(|block| (stream, block)));
            written.push((share.cell, stream, share.durable, starts));
        }
        let bytes: usize = rows.iter().map(|(_, block)| block.payload.len()).sum();
        let rows = (self.places.next()..).zip(rows).collect();
        self.insert.rows(&mut transaction, rows, bind_block).await?;
        let entered = self.places.enter(&mut transaction, Which::Due).await?;
        transaction.commit().await?;
        self.places.entered(&entered);
        for (cell, stream, durable, starts) in written {
            self.places.written(&cell, stream, &starts);
            cell.committed(stream, durable);
        }
        self.unfolded += bytes;
        if self.unfolded >= FOLD_BYTES {
            self.unfolded = 0;
            self.fold.notify_one();
        }
        Ok(())
    }

    /// Has the index catch up, so that the next start need not.
    async fn enter_all(&mut self) {
        let entered = async {
            let mut transaction = self.connection.begin().await?;
            self.places.enter(&mut transaction, Which::All).await?;
            transaction.commit().await
        };
        if let Err(error) = entered.await {
            tracing::warn!(%error, "the output log's index is not up to date; the next start does that");
        }
    }

    async fn delete_some(&mut self, run: &RunId) -> Result<bool, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        // Blocks are found by their places.
        let entered = self.places.enter(&mut transaction, Which::All).await?;
        let gone = sqlx::query(DELETE_BLOCKS)
            .bind(run.as_str())
            .bind(DELETE_STEP)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        sqlx::query(DELETE_PLACES)
            .bind(run.as_str())
            .bind(DELETE_STEP)
            .execute(&mut *transaction)
            .await?;
        let more = gone == DELETE_STEP as u64;
        if !more {
            sqlx::query("DELETE FROM output_stream WHERE run = $1")
                .bind(run.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.places.entered(&entered);
        Ok(more)
    }
}

/// Sorts a group's pieces by stream, in the order of the streams' first pieces.
fn share_out(group: &[Piece]) -> Vec<Share> {
    let mut places: HashMap<*const Cell, usize> = HashMap::new();
    let mut shares: Vec<Share> = Vec::new();
    for piece in group {
        let place = *places.entry(Arc::as_ptr(&piece.cell)).or_insert_with(|| {
            shares.push(Share {
                cell: piece.cell.clone(),
                durable: piece.cell.durable(),
                blocks: Vec::new(),
                v1_seq: None,
            });
            shares.len() - 1
        });
        let share = &mut shares[place];
        if let Some(body) = &piece.body {
            join(&mut share.blocks, piece, body);
            share.durable.length = OutputLength {
                bytes: piece.start + u64::from(body.raw_len),
                lines: piece.first_line + body.line_feeds,
            };
        }
        if let Some(seq) = piece.v1_seq {
            share.v1_seq = Some(seq);
            share.durable.v1_seq = Some(seq);
        }
    }
    shares
}

/// The row of a share's stream, made if need be; notes its last number.
async fn stream_row(connection: &mut SqliteConnection, share: &Share) -> Result<i64, sqlx::Error> {
    let seq = share.v1_seq.map(|seq| seq as i64);
    match share.cell.row() {
        Some(row) if seq.is_none() => Ok(row),
        Some(row) => {
            sqlx::query("UPDATE output_stream SET v1_seq = $1 WHERE id = $2")
                .bind(seq)
                .bind(row)
                .execute(connection)
                .await?;
            Ok(row)
        }
        None => {
            let row: i64 = sqlx::query(
                "INSERT INTO output_stream (run, machine, attempt, v1_seq) VALUES ($1, $2, $3, $4) RETURNING id",
            )
            .bind(share.cell.run.as_str())
            .bind(share.cell.machine.as_str())
            .bind(share.cell.attempt.get())
            .bind(seq)
            .fetch_one(connection)
            .await?
            .try_get(0)?;
            Ok(row)
        }
    }
}

pub(super) const DELETE_BLOCKS: &str = "DELETE FROM output_block WHERE id IN (SELECT block FROM output_place \
     JOIN output_stream ON output_stream.id = output_place.stream \
     WHERE output_stream.run = $1 ORDER BY output_place.stream, start LIMIT $2)";

pub(super) const DELETE_PLACES: &str = "DELETE FROM output_place WHERE (stream, start) IN (SELECT stream, start FROM output_place \
     JOIN output_stream ON output_stream.id = output_place.stream \
     WHERE output_stream.run = $1 ORDER BY output_place.stream, start LIMIT $2)";

const INSERT_BLOCKS: &str = "INSERT INTO output_block \
     (id, stream, start, raw_len, first_line, line_feeds, encoding, marks, payload)";

/// Binds a block's columns: its id, its stream, and what is in it.
fn bind_block<'q>(query: Query<'q>, (id, (stream, block)): (i64, (i64, Block))) -> Query<'q> {
    query
        .bind(id)
        .bind(stream)
        .bind(block.start as i64)
        .bind(block.raw_len as i64)
        .bind(block.first_line as i64)
        .bind(block.line_feeds as i64)
        .bind(encoding_number(block.encoding))
        .bind(encode_marks(&block.marks))
        .bind(block.payload)
}
