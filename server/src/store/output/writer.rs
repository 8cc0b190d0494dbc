//! The one task that writes the log.

use super::block::{Block, encode_marks, encoding_number, join};
use super::error::OutputError;
use super::piece::Piece;
use super::stream::{Cell, Durable};
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::OutputLength;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Commits follow each other no closer than this unless [`GROUP_BYTES`] are waiting. The first piece after a pause is
/// committed at once.
const GROUP_WINDOW: Duration = Duration::from_millis(10);

/// Bytes of one commit after which it waits no longer.
const GROUP_BYTES: usize = 1024 * 1024;

/// Pieces of one commit after which it waits no longer.
const GROUP_PIECES: usize = 4096;

/// Pause after a commit that failed (disk full, read-only …). Nothing is acknowledged meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Rows that one step of a deletion takes.
const DELETE_STEP: i64 = 256;

/// Rows of the larger insert statement; the rest goes one by one.
const INSERT_ROWS: usize = 32;

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
    /// Cancelled once the log is being closed: what cannot be written then is given up.
    closing: CancellationToken,
    insert_many: String,
    last_commit: Option<Instant>,
}

/// What follows a gathered group.
enum Next {
    Gather,
    Delete(RunId, oneshot::Sender<Result<bool, OutputError>>),
    Close,
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
        inbox: mpsc::UnboundedReceiver<Order>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            connection,
            inbox,
            closing,
            insert_many: insert_statement(INSERT_ROWS),
            last_commit: None,
        }
    }

    /// Works until it is closed, or nobody is left who could send.
    pub(super) async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let next = self.gather(&mut group).await;
            if !group.is_empty() {
                let shares = share_out(&group);
                if !self.write(&shares).await {
                    break;
                }
                group.clear();
            }
            match next {
                Next::Gather => {}
                Next::Delete(run, reply) => {
                    // The asker may have gone away.
                    let _ = reply.send(self.delete_some(&run).await.map_err(Into::into));
                }
                Next::Close => break,
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the output log was not closed cleanly; nothing acknowledged is lost");
        }
    }

    /// Collects pieces until it is time to commit them.
    async fn gather(&mut self, group: &mut Vec<Piece>) -> Next {
        let mut bytes = 0;
        let mut due = None;
        loop {
            let order = match due {
                None => self.inbox.recv().await,
                Some(due) => match tokio::time::timeout_at(due, self.inbox.recv()).await {
                    Ok(order) => order,
                    Err(_) => return Next::Gather,
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

    /// Commits, however long it takes. False when the log is closed before that.
    async fn write(&mut self, shares: &[Share]) -> bool {
        self.last_commit = Some(Instant::now());
        while let Err(error) = self.commit(shares).await {
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

    async fn commit(&mut self, shares: &[Share]) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        let mut streams = Vec::with_capacity(shares.len());
        let mut rows = Vec::new();
        for share in shares {
            let stream = stream_row(&mut transaction, share).await?;
            streams.push(stream);
            rows.extend(share.blocks.iter().map(|block| (stream, block)));
        }
        let (many, rest) = rows.as_chunks::<INSERT_ROWS>();
        for rows in many {
            insert(&mut transaction, &self.insert_many, rows).await?;
        }
        for row in rest {
            insert(&mut transaction, INSERT_ONE, std::slice::from_ref(row)).await?;
        }
        transaction.commit().await?;
        for (share, row) in shares.iter().zip(streams) {
            share.cell.committed(row, share.durable);
        }
        Ok(())
    }

    async fn delete_some(&mut self, run: &RunId) -> Result<bool, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM output_block WHERE id IN (SELECT output_block.id FROM output_block \
             JOIN output_stream ON output_stream.id = output_block.stream \
             WHERE output_stream.run = $1 LIMIT $2)",
        )
        .bind(run.as_str())
        .bind(DELETE_STEP)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let more = gone == DELETE_STEP as u64;
        if !more {
            sqlx::query("DELETE FROM output_stream WHERE run = $1")
                .bind(run.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
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

const INSERT_ONE: &str = "INSERT INTO output_block (stream, start, raw_len, first_line, line_feeds, encoding, marks, payload) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

fn insert_statement(rows: usize) -> String {
    use std::fmt::Write as _;
    let mut statement = INSERT_ONE.to_owned();
    for row in 1..rows {
        let first = row * 8 + 1;
        statement.push_str(", (");
        for column in first..first + 8 {
            let comma = if column == first { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(statement, "{comma}${column}");
        }
        statement.push(')');
    }
    statement
}

async fn insert(
    connection: &mut SqliteConnection,
    statement: &str,
    rows: &[(i64, &Block)],
) -> Result<(), sqlx::Error> {
    // The statement is made of constants.
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
    for (stream, block) in rows {
        query = query
            .bind(*stream)
            .bind(block.start as i64)
            .bind(block.raw_len as i64)
            .bind(block.first_line as i64)
            .bind(block.line_feeds as i64)
            .bind(encoding_number(block.encoding))
            .bind(encode_marks(&block.marks))
            .bind(block.payload.as_slice());
    }
    query.execute(connection).await?;
    Ok(())
}
