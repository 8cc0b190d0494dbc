//! Lines of several machines in the order of their time, page by page, in both directions.
//!
//! Each machine's lines keep their own order, whatever its clock does: what is compared is the time of each machine's
//! next line. A position is the number of each machine's next line, and so nothing is lost and nothing doubled. A line whose
//! line feed has not come stands after all that have ended, and is told again when one reads on.

use super::lines::OneLine;
use super::{OutputError, Outputs};
use saltpeter_protocol::api::{LinesPage, MergedLine, OutputLength, Reading};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::collections::VecDeque;
use std::ops::Range;

/// Machines that are merged at a time: each costs a batch of lines.
pub const MAX_MACHINES: usize = 16;

/// Pages that are read at a time; more wait.
pub(super) const AT_ONCE: usize = 4;

/// Lines of a page.
pub const MAX_LINES: usize = 500;

/// Bytes of text after which a page is full.
const MAX_TEXT: usize = 512 * 1024;

/// Lines of one machine that are read at a time.
const BATCH: u64 = 100;

/// Batches that one page reads; with few lines on standard error among many others it may end early.
const MAX_BATCHES: usize = 200;

/// Which lines.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The run.
    pub run: RunId,
    /// The machines, [`MAX_MACHINES`] at most.
    pub parts: Vec<(MachineId, Attempt)>,
    /// Only lines of which something was written to standard error.
    pub stderr: bool,
    /// The number of each machine's next line; the end when absent.
    pub at: Option<Vec<u64>>,
    /// Which way from there.
    pub reading: Reading,
    /// Lines, [`MAX_LINES`] at most.
    pub limit: usize,
}

impl Outputs {
    /// A page of lines.
    pub async fn merge(&self, merge: &Merge) -> Result<LinesPage, OutputError> {
        // It is never closed.
        let _turn = self.merges.acquire().await;
        let mut sources = Vec::with_capacity(merge.parts.len());
        for (n, part) in merge.parts.iter().enumerate() {
            let stream = self.log.stream(&merge.run, (&part.0, part.1)).await?;
            let total = stream.durable().length;
            let end = total.lines + 1;
            let at = merge.at.as_ref().and_then(|at| at.get(n).copied());
            let at = at.unwrap_or(end).min(end);
            sources.push(Source {
                merge,
                part,
                total,
                first: at,
                last: at,
                unread: at,
                spans: VecDeque::new(),
                known: at,
                lines: VecDeque::new(),
                _stream: stream,
            });
        }
        let mut page = Page {
            sources,
            lines: VecDeque::new(),
            batches: 0,
        };
        page.fill(self).await?;
        Ok(page.done())
    }
}

struct Page<'m> {
    sources: Vec<Source<'m>>,
    lines: VecDeque<MergedLine>,
    batches: usize,
}

impl Page<'_> {
    async fn fill(&mut self, outputs: &Outputs) -> Result<(), OutputError> {
        let Some(merge) = self.sources.first().map(|source| source.merge) else {
            return Ok(());
        };
        let mut bytes = 0;
        loop {
            for source in &mut self.sources {
                while source.lines.is_empty() && source.has_more() {
                    if self.batches == MAX_BATCHES {
                        // What comes next cannot be told yet.
                        return Ok(());
                    }
                    self.batches += 1;
                    source.read(outputs).await?;
                }
            }
            let heads = self.sources.iter().enumerate();
            // A line that has not ended stands last, whenever it was begun.
            let heads = heads.filter_map(|(n, source)| {
                let head = source.head()?;
                Some((!head.ended, head.at, n))
            });
            let next = match merge.reading {
                Reading::After => heads.min(),
                Reading::Before => heads.max(),
            };
            let Some((open, _, n)) = next else { break };
            let full = self.lines.len() >= merge.limit.min(MAX_LINES) || bytes >= MAX_TEXT;
            // Those that have not ended are told again next time, and so all of them are told now.
            if full && !(open && merge.reading == Reading::After) {
                break;
            }
            if let Some(line) = self.sources[n].take() {
                bytes += line.bytes.len();
                let line = merged(n, &line);
                match merge.reading {
                    Reading::After => self.lines.push_back(line),
                    Reading::Before => self.lines.push_front(line),
                }
            }
        }
        Ok(())
    }

    fn done(self) -> LinesPage {
        let sources = &self.sources;
        LinesPage {
            machines: sources.iter().map(|s| s.part.0.clone()).collect(),
            before: sources.iter().map(|s| s.first).collect(),
            has_before: sources.iter().any(|s| s.first > 0),
            // A line whose line feed has not come is told again.
            after: sources.iter().map(|s| s.last.min(s.total.lines)).collect(),
            has_after: sources.iter().any(Source::has_after),
            lines: self.lines.into(),
        }
    }
}

fn merged(machine: usize, line: &OneLine) -> MergedLine {
    let bytes = line.bytes.strip_suffix(b"\r").unwrap_or(&line.bytes);
    MergedLine {
        machine,
        number: line.number,
        at: line.at,
        stderr: line.stderr,
        text: String::from_utf8_lossy(bytes).into_owned(),
        cut: line.cut,
    }
}

/// One machine's lines.
struct Source<'m> {
    merge: &'m Merge,
    part: &'m (MachineId, Attempt),
    total: OutputLength,
    /// The lines of the page are from here …
    first: u64,
    /// … to before here.
    last: u64,
    /// Where reading goes on.
    unread: u64,
    /// Where there may be standard error, of what is before or after `unread`.
    spans: VecDeque<Range<u64>>,
    /// How far that is known.
    known: u64,
    /// What has been read and not taken, in the order of reading.
    lines: VecDeque<OneLine>,
    /// Held, so that it is not looked up for each batch.
    _stream: crate::store::output::OutputStream,
}

impl Source<'_> {
    fn has_more(&self) -> bool {
        match self.merge.reading {
            Reading::Before => self.unread > 0,
            Reading::After => self.unread <= self.total.lines,
        }
    }

    fn has_after(&self) -> bool {
        match self.merge.reading {
            Reading::Before => self.last < self.total.lines,
            Reading::After => self.has_more() || !self.lines.is_empty(),
        }
    }

    fn head(&self) -> Option<&OneLine> {
        self.lines.front()
    }

    /// Takes the next line. With the last one of a batch goes what was passed over after it.
    fn take(&mut self) -> Option<OneLine> {
        let line = self.lines.pop_front()?;
        match self.merge.reading {
            Reading::Before => self.first = line.number,
            Reading::After => self.last = line.number + 1,
        }
        Some(line)
    }

    /// Reads the next lines; there may be none of those that are wanted among them.
    async fn read(&mut self, outputs: &Outputs) -> Result<(), OutputError> {
        let Some(span) = self.next_span(outputs).await? else {
            self.passed_over();
            return Ok(());
        };
        let range = match self.merge.reading {
            Reading::Before => span.start.max(span.end.saturating_sub(BATCH))..span.end,
            Reading::After => span.start..span.end.min(span.start + BATCH),
        };
        let part = (&self.part.0, self.part.1);
        let lines = outputs.lines(&self.merge.run, part, range.clone()).await?;
        let wanted = lines
            .into_iter()
            .filter(|line| line.stderr || !self.merge.stderr);
        match self.merge.reading {
            Reading::Before => {
                self.lines.extend(wanted.rev());
                self.unread = range.start;
                if span.start < range.start {
                    self.spans.push_front(span.start..range.start);
                }
            }
            Reading::After => {
                self.lines.extend(wanted);
                self.unread = range.end;
                if range.end < span.end {
                    self.spans.push_front(range.end..span.end);
                }
            }
        }
        if self.lines.is_empty() {
            self.passed_over();
        }
        Ok(())
    }

    /// There is nothing that is wanted up to `unread`.
    fn passed_over(&mut self) {
        match self.merge.reading {
            Reading::Before => self.first = self.unread,
            Reading::After => self.last = self.unread,
        }
    }

    /// The next lines to look at; `None` when there are none up to `unread`, which goes on then.
    async fn next_span(&mut self, outputs: &Outputs) -> Result<Option<Range<u64>>, OutputError> {
        let reading = self.merge.reading;
        if !self.merge.stderr {
            return Ok(Some(match reading {
                Reading::Before => 0..self.unread,
                Reading::After => self.unread..self.total.lines + 1,
            }));
        }
        if self.spans.is_empty() && self.known == self.unread {
            let part = (&self.part.0, self.part.1);
            let spans = outputs
                .log
                .stderr_spans(&self.merge.run, part, self.unread, reading)
                .await?;
            self.spans = spans.lines.into();
            self.known = spans.known;
        }
        let next = self.spans.pop_front();
        if next.is_none() {
            self.unread = self.known;
        }
        Ok(next)
    }
}
