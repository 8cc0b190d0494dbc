//! The output of all machines of a run as one tar archive, made while it is sent.

use super::{OutputError, OutputReader, Outputs};
use bytes::Bytes;
use saltpeter_protocol::{Attempt, MachineId, RunId, UnixMillis};
use std::collections::VecDeque;
use std::io;

/// What tar is made of.
const RECORD: u64 = 512;

/// An output to be put into an archive.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose.
    pub machine: MachineId,
    /// Which attempt.
    pub attempt: Attempt,
    /// Whether it is the machine's last.
    pub newest: bool,
}

impl Entry {
    fn path(&self, run: &RunId) -> String {
        let machine = &self.machine;
        if self.newest {
            format!("{run}/{machine}.log")
        } else {
            format!("{run}/{machine}.attempt-{}.log", self.attempt)
        }
    }
}

/// Why an archive ends early. Whoever reads it sees that it is cut short.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The output cannot be read.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// An entry's head cannot be written.
    #[error("the archive cannot be made: {0}")]
    Head(#[from] io::Error),
    /// The output has been deleted meanwhile.
    #[error("the output of {0} has been deleted while it was read")]
    Gone(MachineId),
}

impl Outputs {
    /// The archive, piece by piece; one piece of one output is held at a time.
    pub fn archive(
        &self,
        run: RunId,
        at: UnixMillis,
        entries: Vec<Entry>,
    ) -> impl futures::Stream<Item = Result<Bytes, ArchiveError>> + Send + use<> {
        let archive = Archive {
            outputs: self.clone(),
            run,
            at,
            entries: entries.into(),
            body: None,
            ended: false,
        };
        futures::stream::try_unfold(archive, |mut archive| async move {
            Ok(archive.next().await?.map(|piece| (piece, archive)))
        })
    }
}

struct Archive {
    outputs: Outputs,
    run: RunId,
    at: UnixMillis,
    entries: VecDeque<Entry>,
    body: Option<Body>,
    ended: bool,
}

/// An output whose head has been sent.
struct Body {
    reader: OutputReader,
    machine: MachineId,
    /// Bytes of it that are still to come.
    left: u64,
    /// Bytes after it, up to a whole record.
    padding: usize,
}

impl Archive {
    async fn next(&mut self) -> Result<Option<Bytes>, ArchiveError> {
        if let Some(mut body) = self.body.take() {
            if body.left == 0 {
                if body.padding > 0 {
                    return Ok(Some(zeros(body.padding)));
                }
            } else {
                let Some(piece) = body.reader.next().await? else {
                    return Err(ArchiveError::Gone(body.machine));
                };
                body.left = body.left.saturating_sub(piece.len() as u64);
                self.body = Some(body);
                return Ok(Some(piece));
            }
        }
        let Some(entry) = self.entries.pop_front() else {
            // Two empty records are the end.
            let end = (!self.ended).then(|| zeros(2 * RECORD as usize));
            self.ended = true;
            return Ok(end);
        };
        let part = (&entry.machine, entry.attempt);
        let reader = self.outputs.reader(&self.run, part, 0).await?;
        let left = reader.len();
        let head = head(&entry.path(&self.run), left, self.at)?;
        self.body = Some(Body {
            reader,
            machine: entry.machine,
            left,
            padding: (left.next_multiple_of(RECORD) - left) as usize,
        });
        Ok(Some(head))
    }
}

/// What stands before an output of `bytes` bytes.
fn head(path: &str, bytes: u64, at: UnixMillis) -> io::Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(at.seconds().max(0).unsigned_abs());
    let mut builder = tar::Builder::new(Vec::new());
    // Of the content nothing is given here, and so nothing follows the head. A long name has a record of its own before it.
    builder.append_data(&mut header, path, io::empty())?;
    Ok(std::mem::take(builder.get_mut()).into())
}

fn zeros(count: usize) -> Bytes {
    Bytes::from(vec![0; count])
}
