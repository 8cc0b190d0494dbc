//! Reads Salt's event stream: of each event the tag, and the body where the tag is one that is wanted.

use bytes::Bytes;

/// The longest line that is kept. Salt's own bound is one megabyte for an event (`max_event_size`), which JSON makes
/// up to six times as long.
const LINE_MAX: usize = 8 << 20;

/// What was found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The stream has begun: whatever happens from now on will be in it.
    Begun,
    /// A machine's return of a job that is wanted: the event as JSON.
    Return {
        /// The job's number.
        jid: String,
        /// The event as JSON.
        body: Bytes,
    },
    /// A return that was too long to be kept.
    TooLong {
        /// The job's number.
        jid: String,
    },
}

/// The stream's reader. It takes bytes as they come and keeps no more than one line.
#[derive(Debug, Default)]
pub(super) struct Parser {
    begun: bool,
    line: Vec<u8>,
    /// The rest of the line is not wanted.
    skipping: bool,
    /// The number of the wanted job whose return the event is.
    wanted: Option<String>,
}

impl Parser {
    /// Takes the next bytes; `is_wanted` says which jobs' returns are to be kept.
    pub(super) fn feed(&mut self, bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Vec<Found> {
        let mut found = Vec::new();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.take(&rest[..end], &mut found);
            self.end_line(&is_wanted, &mut found);
            rest = &rest[end + 1..];
        }
        self.take(rest, &mut found);
        found
    }

    fn take(&mut self, part: &[u8], found: &mut Vec<Found>) {
        if self.skipping {
            return;
        }
        if self.line.len() + part.len() > LINE_MAX {
            self.skipping = true;
            found.extend(self.wanted.take().map(|jid| Found::TooLong { jid }));
        } else {
            self.line.extend_from_slice(part);
            // The bodies of others' events are not even kept until they end.
            self.skipping = self.wanted.is_none() && self.line.starts_with(b"data:");
        }
        if self.skipping {
            self.line = Vec::new();
        }
    }

    fn end_line(&mut self, is_wanted: impl Fn(&str) -> bool, found: &mut Vec<Found>) {
        let line = std::mem::take(&mut self.line);
        self.skipping = false;
        if !self.begun {
            self.begun = true;
            found.push(Found::Begun);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            self.wanted = None;
        } else if let Some(tag) = field(line, b"tag:") {
            let jid = std::str::from_utf8(tag).ok().and_then(returned_job);
            self.wanted = jid.filter(|jid| is_wanted(jid)).map(str::to_owned);
        } else if let Some(body) = field(line, b"data:")
            && let Some(jid) = self.wanted.take()
        {
            let body = Bytes::copy_from_slice(body);
            found.push(Found::Return { jid, body });
        }
    }
}

fn field<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let value = line.strip_prefix(name)?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// The job's number in the tag of a return, `salt/job/<jid>/ret/<machine>`.
fn returned_job(tag: &str) -> Option<&str> {
    let (jid, rest) = tag.strip_prefix("salt/job/")?.split_once('/')?;
    rest.starts_with("ret/").then_some(jid)
}

#[cfg(test)]
mod tests {
    use super::{Found, LINE_MAX, Parser};

    const STREAM: &str = "retry: 400\n\
        tag: minion_start\ndata: {\"data\": 1}\n\n\
        tag: salt/job/1/new\ndata: {\"data\": 2}\n\n\
        tag: salt/job/1/ret/web1\ndata: {\"data\": 3}\n\n\
        tag: salt/job/2/ret/web1\ndata: {\"data\": 4}\n\n\
        tag: salt/job/1/ret/web2\r\ndata: {\"data\": 5}\r\n\r\n";

    fn ret(body: &'static str) -> Found {
        Found::Return {
            jid: "1".to_owned(),
            body: body.into(),
        }
    }

    #[test]
    fn wanted_returns_are_found_however_the_bytes_are_cut() {
        let expected = [Found::Begun, ret("{\"data\": 3}"), ret("{\"data\": 5}")];
        for size in [1, 2, 3, 7, 64, STREAM.len()] {
            let mut parser = Parser::default();
            let found: Vec<Found> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| parser.feed(chunk, |jid| jid == "1"))
                .collect();
            assert_eq!(found, expected, "cut by {size}");
        }
    }

    #[test]
    fn others_bodies_are_not_kept() {
        let mut parser = Parser::default();
        parser.feed(b"retry: 400\ntag: salt/job/2/ret/web1\ndata: ", |_| false);
        parser.feed(&[b'x'; 100_000], |_| false);
        assert_eq!(parser.line.capacity(), 0);
    }

    #[test]
    fn a_return_without_end_is_given_up_and_the_next_one_is_found() {
        let mut parser = Parser::default();
        parser.feed(b"retry: 400\ntag: salt/job/1/ret/web1\ndata: ", |_| true);
        let mut found = Vec::new();
        for _ in 0..=LINE_MAX / 65_536 {
            found.extend(parser.feed(&[b'x'; 65_536], |_| true));
        }
        found.extend(parser.feed(b"\n\ntag: salt/job/1/ret/web2\ndata: 6\n\n", |_| true));
        let too_long = Found::TooLong {
            jid: "1".to_owned(),
        };
        assert_eq!(found, [too_long, ret("6")]);
    }
}
