//! The queue of a cluster's documents, on disk, in the form in which they are sent.
//!
//! It consists of numbered segments, each a file of whole records: an action line and a document line. Records are
//! appended to the newest segment and taken from the oldest, which is deleted when all of it has been sent. Nothing
//! notes how much of a segment has been sent, for what is sent again after a restart overwrites itself. A record that
//! was only half written when the server died is cut off at the next start.

use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// A segment that has reached this size gets no more records.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// The queue. Clones share it.
#[derive(Clone)]
pub(super) struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    appended: Notify,
}

/// Whether an error of [`Spool::next`] says that the records are not there any more. Any other may pass: there are no file
/// descriptors left, say.
pub(super) fn is_lost(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) documents: u64,
    pub(super) bytes: u64,
}

struct Queue {
    directory: PathBuf,
    /// Most bytes on disk.
    limit: u64,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// Open on the newest segment, when that may still grow.
    writer: Option<File>,
    next_number: u64,
}

struct Segment {
    path: PathBuf,
    /// Bytes of it that have been sent.
    sent: u64,
    /// Its length.
    bytes: u64,
    /// Lengths of the records that have not been sent.
    records: VecDeque<u32>,
}

impl Spool {
    /// Opens the queue in `directory`, which is made if need be, for at most `limit` bytes.
    pub(super) fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        Ok(Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(Queue::open(directory, limit)?),
                appended: Notify::new(),
            }),
        })
    }

    /// Appends records in their order, as many as there is room for. Returns how many.
    pub(super) async fn append(&self, records: Vec<Vec<u8>>) -> io::Result<usize> {
        let taken = self.with(move |queue| queue.append(&records)).await;
        self.shared.appended.notify_one();
        taken
    }

    /// The oldest records, at least one, and no more than `documents` and `bytes` if there is a choice. Waits until
    /// there is one. They stay until they are removed.
    pub(super) async fn next(&self, documents: usize, bytes: u64) -> io::Result<Vec<Bytes>> {
        loop {
            let records = self
                .with(move |queue| queue.oldest(documents, bytes))
                .await?;
            if !records.is_empty() {
                return Ok(records);
            }
            self.shared.appended.notified().await;
        }
    }

    /// Removes the `count` oldest records, all of which came from one [`Spool::next`].
    pub(super) async fn remove(&self, count: usize) -> io::Result<()> {
        self.with(move |queue| queue.remove(count)).await
    }

    /// Gives up the oldest segment, which cannot be read. Returns how many records it had.
    pub(super) async fn give_up_oldest(&self) -> u64 {
        let lost = self.with(|queue| Ok(queue.give_up_oldest())).await;
        lost.unwrap_or_default()
    }

    /// How much waits.
    pub(super) fn waiting(&self) -> Waiting {
        let queue = self.shared.lock();
        let segments = queue.segments.iter();
        Waiting {
            documents: segments.clone().map(|s| s.records.len() as u64).sum(),
            bytes: segments.map(|s| s.bytes - s.sent).sum(),
        }
    }

    /// Works on the files, on a thread where that may take its time.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Queue) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&mut shared.lock()))
            .await
            .map_err(io::Error::other)?
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".ndjson"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let mut queue = Self {
            directory: directory.to_owned(),
            limit,
            segments: VecDeque::new(),
            writer: None,
            next_number: numbers.last().map_or(1, |last| last + 1),
        };
        for number in numbers {
            let segment = Segment::open(queue.path(number))?;
            if segment.records.is_empty() {
                fs::remove_file(&segment.path)?;
            } else {
                queue.segments.push_back(segment);
            }
        }
        Ok(queue)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:012}.ndjson"))
    }

    fn append(&mut self, records: &[Vec<u8>]) -> io::Result<usize> {
        let mut on_disk: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        for (taken, record) in records.iter().enumerate() {
            on_disk += record.len() as u64;
            if on_disk > self.limit {
                return Ok(taken);
            }
            self.append_one(record)?;
        }
        Ok(records.len())
    }

    fn append_one(&mut self, record: &[u8]) -> io::Result<()> {
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes >= SEGMENT_BYTES);
        if full {
            self.writer = None;
        }
        if self.writer.is_none() {
            let path = self.path(self.next_number);
            let file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .open(&path)?;
            self.next_number += 1;
            self.writer = Some(file);
            self.segments.push_back(Segment::new(path));
        }
        let (Some(writer), Some(segment)) = (&mut self.writer, self.segments.back_mut()) else {
            return Ok(());
        };
        if let Err(error) = writer.write_all(record) {
            // Half a record must not stand before a whole one.
            if writer.set_len(segment.bytes).is_err() {
                self.writer = None;
            }
            return Err(error);
        }
        segment.bytes += record.len() as u64;
        segment.records.push_back(record.len() as u32);
        Ok(())
    }

    fn oldest(&mut self, documents: usize, bytes: u64) -> io::Result<Vec<Bytes>> {
        // A segment that was begun and not written to, because the disk is full, is nothing to wait at.
        let Some(segment) = self.segments.iter().find(|s| !s.records.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut total: u64 = 0;
        let mut lengths = Vec::new();
        for length in segment.records.iter().take(documents.max(1)) {
            if !lengths.is_empty() && total + u64::from(*length) > bytes {
                break;
            }
            total += u64::from(*length);
            lengths.push(*length as usize);
        }
        let mut file = File::open(&segment.path)?;
        file.seek(SeekFrom::Start(segment.sent))?;
        let mut buffer = vec![0; total as usize];
        file.read_exact(&mut buffer)?;
        let mut rest = Bytes::from(buffer);
        Ok(lengths
            .into_iter()
            .map(|length| rest.split_to(length))
            .collect())
    }

    fn remove(&mut self, count: usize) -> io::Result<()> {
        let Some(at) = self.segments.iter().position(|s| !s.records.is_empty()) else {
            return Ok(());
        };
        let segment = &mut self.segments[at];
        let count = count.min(segment.records.len());
        segment.sent += segment.records.drain(..count).map(u64::from).sum::<u64>();
        if segment.records.is_empty() {
            if at + 1 == self.segments.len() {
                self.writer = None;
            }
            // Those before it have no records at all.
            for done in self.segments.drain(..=at) {
                fs::remove_file(&done.path)?;
            }
        }
        Ok(())
    }

    fn give_up_oldest(&mut self) -> u64 {
        if self.segments.len() <= 1 {
            self.writer = None;
        }
        let Some(segment) = self.segments.pop_front() else {
            return 0;
        };
        // It could not be read, so it may well not be there.
        let _ = fs::remove_file(&segment.path);
        segment.records.len() as u64
    }
}

impl Segment {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            sent: 0,
            bytes: 0,
            records: VecDeque::new(),
        }
    }

    /// Finds the records of a file that an earlier server left.
    fn open(path: PathBuf) -> io::Result<Self> {
        let content = fs::read(&path)?;
        let mut segment = Self::new(path);
        let mut feeds = memchr::memchr_iter(b'\n', &content);
        while let (Some(_), Some(end)) = (feeds.next(), feeds.next()) {
            let end = end as u64 + 1;
            segment.records.push_back((end - segment.bytes) as u32);
            segment.bytes = end;
        }
        if segment.bytes < content.len() as u64 {
            OpenOptions::new()
                .write(true)
                .open(&segment.path)?
                .set_len(segment.bytes)?;
        }
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: usize) -> Vec<u8> {
        format!("{{\"index\":{n}}}\n{{\"n\":{n}}}\n").into_bytes()
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    async fn all(spool: &Spool) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while spool.waiting().documents > 0 {
            let some = spool.next(7, 1000).await.unwrap();
            all.extend(some.iter().map(|record| record.to_vec()));
            spool.remove(some.len()).await.unwrap();
        }
        all
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_in_order_and_nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), u64::MAX).unwrap();
        let records: Vec<_> = (0..100).map(record).collect();
        assert_eq!(spool.append(records.clone()).await.unwrap(), 100);
        assert_eq!(all(&spool).await, records);
        assert_eq!(files(dir.path()), 0);
        assert_eq!(spool.append(vec![record(0)]).await.unwrap(), 1);
        assert_eq!(all(&spool).await, [record(0)]);
    }

    #[tokio::test]
    async fn a_restart_goes_on_with_all_that_was_whole() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), u64::MAX).unwrap();
        spool.append((0..10).map(record).collect()).await.unwrap();
        spool.remove(4).await.unwrap();
        drop(spool);
        let path = fs::read_dir(dir.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        for torn in ["{\"ind", "{\"index\":10}\n", "{\"index\":10}\n{\"n\":1"] {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(torn.as_bytes()).unwrap();
            let spool = Spool::open(dir.path(), u64::MAX).unwrap();
            // What had been sent and was not a whole segment is sent again.
            assert_eq!(spool.waiting().documents, 10, "{torn}");
        }
        let spool = Spool::open(dir.path(), u64::MAX).unwrap();
        spool.append(vec![record(10)]).await.unwrap();
        assert_eq!(all(&spool).await, (0..=10).map(record).collect::<Vec<_>>());
        assert_eq!(files(dir.path()), 0);
    }

    #[tokio::test]
    async fn the_bound_holds_and_there_is_room_again_once_a_segment_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let size = record(0).len() as u64;
        let spool = Spool::open(dir.path(), 3 * size).unwrap();
        let five = || (0..5).map(record).collect();
        assert_eq!(spool.append(five()).await.unwrap(), 3);
        assert_eq!(spool.append(five()).await.unwrap(), 0);
        assert_eq!(spool.waiting().bytes, 3 * size);
        assert_eq!(all(&spool).await.len(), 3);
        assert_eq!(spool.append(five()).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn segments_are_of_a_size_and_one_large_record_is_taken_alone() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), u64::MAX).unwrap();
        let large = format!("{{}}\n\"{}\"\n", "x".repeat(3_000_000)).into_bytes();
        spool.append(vec![large; 4]).await.unwrap();
        spool.append(vec![record(1)]).await.unwrap();
        assert_eq!(files(dir.path()), 2);
        assert_eq!(spool.next(10, 1000).await.unwrap().len(), 1);
        assert_eq!(spool.next(10, 7_000_000).await.unwrap().len(), 2);
        assert_eq!(all(&spool).await.len(), 5);
    }

    #[tokio::test]
    async fn a_segment_that_was_taken_away_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), u64::MAX).unwrap();
        spool.append((0..3).map(record).collect()).await.unwrap();
        fs::remove_file(dir.path().join("000000000001.ndjson")).unwrap();
        let error = spool.next(10, 1000).await.unwrap_err();
        assert!(is_lost(&error), "{error}");
        assert_eq!(spool.give_up_oldest().await, 3);
        spool.append(vec![record(4)]).await.unwrap();
        assert_eq!(all(&spool).await, [record(4)]);
    }
}
