//! The one task that writes the log.

mod tidy;

#[cfg(test)]
pub(super) use tidy::{DELETE_BLOCKS, DELETE_PLACES};

use super::block::{Block, checksum, encode_marks, encoding_number, join};
use super::delete::{Pace, Reply};
use super::fold::FOLD_BYTES;
use super::insert::{Insert, Query};
use super::piece::Piece;
use super::place::{Places, Which};
use super::recent::RecentBlock;
use super::row::StreamRows;
use super::stream::{Cell, Durable};
use crate::store::health::Commits;
use crate::store::transaction;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::OutputLength;
use sqlx::{Connection as _, SqliteConnection};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidy::Tidy;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Commits follow each other no closer than this unless [`GROUP_BYTES`] are waiting. The first piece after a pause is
/// committed at once.
const GROUP_WINDOW: Duration = Duration::from_millis(10);

/// The same after a commit of [`MANY_PIECES`]: what matters then is what each costs.
const CROWDED_WINDOW: Duration = Duration::from_millis(13);

/// Pieces of a commit by which it counts as crowded.
const MANY_PIECES: usize = 256;

/// Bytes of one commit after which it waits no longer.
pub(super) const GROUP_BYTES: usize = 1024 * 1024;

/// Pieces of one commit after which it waits no longer.
const GROUP_PIECES: usize = 4096;

/// Pause after a commit that failed (disk full, read-only …). Nothing is acknowledged meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of a page of the file. With a thousand writers a commit fills hundreds of the usual pages of 4 KiB, and each
/// page costs two writes to the write-ahead log and one when it is folded back. Files made by earlier versions keep
/// their own size.
pub(super) const PAGE: u32 = 16 * 1024;

/// Pages that any commit writes to the write-ahead log, however little output is in it: of the blocks, of the streams, of
/// what the index lacks.
const COMMIT_PAGES: usize = 3;

/// What the writer is asked to do, in order.
pub(super) enum Order {
    Write(Piece),
    /// Has the index catch up.
    EnterAll {
        reply: Reply,
    },
    /// Deletes some blocks of a run; answers whether there are more.
    DeleteSome {
        run: RunId,
        reply: Reply,
    },
    /// Gives some free pages back; answers whether there are more.
    ShrinkSome {
        reply: Reply,
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
    streams: StreamRows,
    /// Told when there is something to fold back.
    fold: Arc<Notify>,
    /// Bytes of the write-ahead log since, about.
    unfolded: usize,
    /// The next commit is not to begin before.
    not_before: Option<Instant>,
    deleting: Pace,
    shrinking: Pace,
}

/// What follows a gathered group.
enum Next {
    Gather,
    Tidy(Tidy, Reply),
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
        (places, streams): (Places, StreamRows),
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
            insert: Insert::new(INSERT_BLOCKS, 11),
            places,
            streams,
            fold,
            unfolded: 0,
            not_before: None,
            deleting: Pace::default(),
            shrinking: Pace::default(),
        }
    }

    /// Works until it is closed, or nobody is left who could send; then tells so.
    ///
    /// On a thread of its own: a commit is a dozen questions to the database, and after the answer to each the writer would
    /// have to wait for its turn among the sessions that the commit before has woken, a thousand of them.
    pub(super) fn on_its_own_thread(self) -> io::Result<oneshot::Receiver<()>> {
        let (done, written) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("output-log".to_owned())
            .spawn(move || {
                runtime.block_on(self.run());
                // Nobody waits for it when the server has ended otherwise.
                let _ = done.send(());
            })?;
        Ok(written)
    }

    async fn run(mut self) {
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
                Next::Tidy(step, reply) => {
                    let commits = self.commits.clone();
                    let tidied = commits.watch(self.tidy(&step)).await;
                    // The asker may have gone away.
                    let _ = reply.send(tidied.map_err(Into::into));
                }
                Next::Close => {
                    self.enter_all().await;
                    break;
                }
            }
        }
        // After a clean end all of it is in one file, which can be copied.
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection);
        if let Err(error) = emptied.await {
            tracing::debug!(%error, "the output log's write-ahead log was not emptied");
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
                    due.get_or_insert_with(|| self.not_before.unwrap_or_else(Instant::now));
                }
                Some(Order::EnterAll { reply }) => return Next::Tidy(Tidy::Enter, reply),
                Some(Order::DeleteSome { run, reply }) => {
                    return Next::Tidy(Tidy::Delete(run), reply);
                }
                Some(Order::ShrinkSome { reply }) => return Next::Tidy(Tidy::Shrink, reply),
                Some(Order::Close) | None => return Next::Close,
            }
        }
    }

    /// Waits for the next order, as long as the index lacks nothing that is due. After a step of tidying up that failed
    /// nobody may come for long, and so it is tried now and then whether the file can be written again.
    async fn first(&mut self) -> First {
        loop {
            let due = self.places.due();
            let probe = self.commits.failing().then(|| Instant::now() + RETRY_PAUSE);
            let Some(wake) = [due, probe].into_iter().flatten().min() else {
                return First::Came(self.inbox.recv().await);
            };
            if let Ok(order) = tokio::time::timeout_at(wake, self.inbox.recv()).await {
                return First::Came(order);
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                return First::PlacesDue;
            }
            // Its outcome goes where every commit's does.
            let probe = sqlx::query("UPDATE output_placed SET before = before")
                .execute(&mut self.connection);
            drop(self.commits.watch(probe).await);
        }
    }

    /// Commits, however long it takes. False when the log is closed before that.
    async fn write(&mut self, group: &[Piece]) -> bool {
        let window = match group.len() {
            MANY_PIECES.. => CROWDED_WINDOW,
            _ => GROUP_WINDOW,
        };
        self.not_before = Some(Instant::now() + window);
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
        let mut written = Vec::with_capacity(shares.len());
        let mut rows_of_streams = self.streams.change();
        let mut rows = Vec::new();
        for share in shares {
            let stream = rows_of_streams.of(&share.cell, share.v1_seq);
            let starts: Vec<u64> = share.blocks.iter().map(|block| block.start).collect();
            let recent: Vec<RecentBlock> = if share.cell.recent.is_wanted() {
                share.blocks.iter().map(RecentBlock::of).collect()
            } else {
                Vec::new()
            };
            rows.extend(share.blocks.into_iter().map(|block| (stream, block)));
            written.push((share.cell, stream, share.durable, starts, recent));
        }
        let bytes: usize = rows.iter().map(|(_, block)| block.payload.len()).sum();
        let rows = (self.places.next()..).zip(rows).collect();
        transaction::begin(&mut self.connection).await?;
        let done = async {
            let connection = &mut self.connection;
            let streams = self.streams.write(connection, rows_of_streams).await?;
            self.insert.rows(connection, rows, bind_block).await?;
            let entered = self.places.enter(connection, Which::Due).await?;
            Ok::<_, sqlx::Error>((streams, entered))
        }
        .await;
        let (streams, entered) = transaction::end(&mut self.connection, done).await?;
        self.places.entered(&entered);
        self.streams.written(streams);
        for (cell, stream, durable, starts, recent) in written {
            self.places.written(&cell, stream, &starts);
            if !recent.is_empty() {
                cell.recent.keep(recent);
            }
            cell.committed(stream, durable);
        }
        self.committed(bytes);
        Ok(())
    }

    /// So many bytes of output more are in the write-ahead log.
    fn committed(&mut self, bytes: usize) {
        self.unfolded += bytes + COMMIT_PAGES * PAGE as usize;
        if self.unfolded >= FOLD_BYTES {
            self.unfolded = 0;
            self.fold.notify_one();
        }
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
            share.durable.fingerprint = piece.fingerprint;
        }
        if let Some(seq) = piece.v1_seq {
            share.v1_seq = Some(seq);
            share.durable.v1_seq = Some(seq);
        }
    }
    shares
}

const INSERT_BLOCKS: &str = "INSERT INTO output_block \
     (id, stream, start, raw_len, first_line, line_feeds, encoding, marks, payload, fingerprint, checksum)";

/// Binds a block's columns: its id, its stream, and what is in it.
fn bind_block(query: Query<'_>, (id, (stream, block)): (i64, (i64, Block))) -> Query<'_> {
    let (start, raw_len) = (block.start as i64, block.raw_len as i64);
    let first_line = block.first_line as i64;
    let encoding = encoding_number(block.encoding);
    let marks = encode_marks(&block.marks);
    let numbers = [start, raw_len, first_line, encoding];
    let checksum = checksum(numbers, &marks, &block.payload);
    query
        .bind(id)
        .bind(stream)
        .bind(start)
        .bind(raw_len)
        .bind(first_line)
        .bind(block.line_feeds as i64)
        .bind(encoding)
        .bind(marks)
        .bind(block.payload)
        .bind(block.fingerprint.to_row())
        .bind(checksum)
}
