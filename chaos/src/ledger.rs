//! What commands did, by their own account: each writes a file that Saltpeter knows nothing of.

use crate::content::Channel;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// How far a process came with one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Bytes that the pipe has taken.
    pub surely: u64,
    /// Bytes of a write that was begun and of whose end nothing is known.
    pub perhaps: u64,
}

/// How a process ended, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was about to exit with this code.
    Exit(i32),
    /// It was about to send itself this signal.
    Signal(i32),
    /// Nobody read its output any more.
    BrokenPipe,
}

/// Which process of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The one whose end is the command's.
    Main,
    /// One that it has forked, which writes to standard error.
    Child,
}

/// One process of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The run.
    pub run: String,
    /// The machine; `?` when its wrapper was gone already.
    pub machine: String,
    /// Which process.
    pub part: Part,
    /// Its number.
    pub pid: u32,
    /// When it began, milliseconds since 1970, by this host's clock.
    pub began: i64,
    /// What it wrote.
    pub written: BTreeMap<Channel, Written>,
    /// How and when it ended; `None` when something ended it.
    pub end: Option<(End, i64)>,
    /// A process of the same command, started before, that it found alive.
    pub beside: Option<u32>,
}

impl Trace {
    /// The name of the file of a process.
    pub fn file_name(run: &str, machine: &str, part: Part, pid: u32) -> String {
        let part = match part {
            Part::Main => "main",
            Part::Child => "child",
        };
        format!("{run}@{machine}@{part}@{pid}")
    }

    /// The first line.
    pub fn began_line(at: i64) -> String {
        format!("began {at}\n")
    }

    /// The line that tells of a process started before that is still there.
    pub fn beside_line(pid: u32) -> String {
        format!("beside {pid}\n")
    }

    /// The line before a write.
    pub fn will_line(channel: Channel, count: usize) -> String {
        format!("will {} {count}\n", channel.word())
    }

    /// The line after one.
    pub fn did_line(channel: Channel, count: usize) -> String {
        format!("did {} {count}\n", channel.word())
    }

    /// The last line.
    pub fn end_line(end: End, at: i64) -> String {
        let mut line = String::new();
        let _ = match end {
            End::Exit(code) => writeln!(line, "exit {code} {at}"),
            End::Signal(signal) => writeln!(line, "signal {signal} {at}"),
            End::BrokenPipe => writeln!(line, "broken 0 {at}"),
        };
        line
    }

    /// Reads a process's file. A last line that was not finished is left out.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut names = name.split('@');
        let mut next = || names.next().context("it is not named RUN@MACHINE@PART@PID");
        let (run, machine) = (next()?.to_owned(), next()?.to_owned());
        let part = match next()? {
            "main" => Part::Main,
            "child" => Part::Child,
            other => bail!("{other} is no part of a command"),
        };
        let mut trace = Self {
            run,
            machine,
            part,
            pid: next()?.parse()?,
            began: 0,
            written: BTreeMap::new(),
            end: None,
            beside: None,
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["began", at] => trace.began = at.parse()?,
                ["beside", pid] => trace.beside = Some(pid.parse()?),
                ["will", channel, count] => {
                    trace.channel(channel)?.perhaps = count.parse()?;
                }
                ["did", channel, count] => {
                    let count: u64 = count.parse()?;
                    let written = trace.channel(channel)?;
                    written.surely += count;
                    written.perhaps = 0;
                }
                ["exit", code, at] => trace.end = Some((End::Exit(code.parse()?), at.parse()?)),
                ["signal", signal, at] => {
                    trace.end = Some((End::Signal(signal.parse()?), at.parse()?));
                }
                ["broken", _, at] => trace.end = Some((End::BrokenPipe, at.parse()?)),
                _ => bail!("{line:?} is no line of a ledger"),
            }
        }
        Ok(trace)
    }

    fn channel(&mut self, word: &str) -> Result<&mut Written> {
        let mut channels = Channel::BOTH.into_iter();
        let channel = channels.find(|channel| channel.word() == word);
        let channel = channel.with_context(|| format!("{word} is no stream"))?;
        Ok(self.written.entry(channel).or_default())
    }
}

/// The processes whose commands for this machine of this run have begun up to now.
pub fn earlier(directory: &Path, run: &str, machine: &str) -> std::io::Result<Vec<u32>> {
    let begin = Trace::file_name(run, machine, Part::Main, 0);
    let begin = begin.trim_end_matches('0');
    let mut pids = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(begin));
        pids.extend(pid.and_then(|pid| pid.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// Everything that is written in `directory` up to now.
pub fn read(directory: &Path) -> Result<Vec<Trace>> {
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path)?;
        let trace = Trace::parse(&name, &text);
        traces.push(trace.with_context(|| format!("the ledger {}", path.display()))?);
    }
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_tells_what_is_sure_and_what_is_not() {
        let name = Trace::file_name("j_1", "m1", Part::Main, 7);
        let text = Trace::began_line(5)
            + &Trace::beside_line(6)
            + &Trace::will_line(Channel::Out, 10)
            + &Trace::did_line(Channel::Out, 6)
            + &Trace::will_line(Channel::Err, 3)
            + "did er";
        let trace = Trace::parse(&name, &text).unwrap();
        let out = Written {
            surely: 6,
            perhaps: 0,
        };
        let err = Written {
            surely: 0,
            perhaps: 3,
        };
        assert_eq!(
            trace.written,
            [(Channel::Out, out), (Channel::Err, err)].into()
        );
        assert_eq!((trace.run.as_str(), trace.pid, trace.end), ("j_1", 7, None));
        assert_eq!(trace.beside, Some(6));
        let ended = text.replace("did er", &Trace::end_line(End::Exit(3), 9));
        let trace = Trace::parse(&name, &ended).unwrap();
        assert_eq!(trace.end, Some((End::Exit(3), 9)));
    }
}
