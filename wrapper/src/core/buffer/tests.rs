use super::*;
use proptest::prelude::*;
use saltpeter_protocol::machine::v2::{Encoding, OutputFrame};

/// A spool in memory that can be made to fail.
#[derive(Default)]
struct Vessel {
    bytes: Vec<u8>,
    full: bool,
}

impl Spool for Vessel {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.full {
            // As a full disk does: a part is written.
            self.bytes.truncate(at as usize);
            self.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.truncate(at as usize);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let at = at as usize;
        let found = self.bytes.get(at..at + into.len());
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// The server's side: what has arrived, and how much of it is durable.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    durable: usize,
}

impl Log {
    fn take(&mut self, frame: &[u8]) {
        let frame = OutputFrame::decode(frame).unwrap();
        assert_eq!(
            frame.offset,
            self.bytes.len() as u64,
            "a gap or a repetition"
        );
        match frame.encoding {
            Encoding::Raw => self.bytes.extend_from_slice(frame.payload),
            Encoding::Zstd => {
                let raw = zstd::bulk::decompress(frame.payload, frame.raw_len as usize);
                self.bytes.extend(raw.unwrap());
            }
        }
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[derive(Debug, Clone)]
enum Step {
    /// The command writes; compressible or not.
    Write { len: usize, noisy: bool },
    /// The buffer sends this many frames.
    Send(usize),
    /// The server makes a part (of 255) of what is not yet durable durable, and acknowledges it or not.
    Commit { part: u8, tell: bool },
    /// The connection drops and stands again.
    Reconnect,
    /// The disk of the spool is full from now on, or has room again.
    Disk { full: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..=MAX_CHUNK, any::<bool>()).prop_map(|(len, noisy)| Step::Write { len, noisy }),
        2 => (1usize..2000).prop_map(|len| Step::Write { len, noisy: true }),
        4 => (0usize..12).prop_map(Step::Send),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(part, tell)| Step::Commit { part, tell }),
        2 => Just(Step::Reconnect),
        1 => any::<bool>().prop_map(|full| Step::Disk { full }),
    ]
}

fn reconnect(buffer: &mut Buffer<Vessel>, log: &mut Log) {
    log.bytes.truncate(log.durable);
    buffer.resume(log.durable as u64).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_the_server_gets_every_byte_once_and_in_order(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut buffer = Buffer::new(Vessel::default(), SPOOL_LIMIT);
        let mut log = Log::default();
        let mut written = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write { len, noisy } => if buffer.accepts(true) {
                    let bytes = if noisy {
                        noise(len, number as u64)
                    } else {
                        vec![number as u8; len]
                    };
                    let full = buffer.spool.full;
                    let pushed = buffer.push(Stream::Stdout, UnixMillis(0), &bytes);
                    prop_assert!(pushed.is_ok() || full);
                    written.extend(bytes);
                },
                Step::Send(count) => for _ in 0..count {
                    let expected = buffer.has_frame();
                    let frame = buffer.next_frame().unwrap();
                    prop_assert_eq!(frame.is_some(), expected);
                    if let Some(frame) = frame {
                        log.take(&frame);
                    }
                },
                Step::Commit { part, tell } => {
                    let before = log.durable;
                    log.durable += (log.bytes.len() - log.durable) * usize::from(part) / 255;
                    if tell {
                        buffer.ack(log.durable as u64).unwrap();
                        // An ack that comes late changes nothing.
                        buffer.ack(before as u64).unwrap();
                        prop_assert_eq!(buffer.durable(), log.durable as u64);
                    }
                }
                Step::Reconnect => reconnect(&mut buffer, &mut log),
                Step::Disk { full } => buffer.spool.full = full,
            }
            prop_assert!(buffer.sent - buffer.durable <= WINDOW);
            prop_assert!(buffer.memory_bytes <= MEMORY_LIMIT + MEMORY_SLACK);
            prop_assert!(buffer.stuck.len() <= 1);
            prop_assert_eq!(buffer.end(), written.len() as u64);
        }
        buffer.spool.full = false;
        reconnect(&mut buffer, &mut log);
        while !buffer.all_durable() {
            while let Some(frame) = buffer.next_frame().unwrap() {
                log.take(&frame);
            }
            let before = log.durable;
            log.durable = log.bytes.len();
            prop_assert!(log.durable > before, "stuck");
            buffer.ack(log.durable as u64).unwrap();
        }
        prop_assert!(log.bytes == written);
        prop_assert!(buffer.all_sent());
        prop_assert!(buffer.spool.bytes.is_empty(), "the spool is emptied");
        prop_assert_eq!(buffer.memory_bytes, 0);
    }
}

#[test]
fn a_server_that_knows_more_or_less_than_it_can_is_not_believed() {
    let mut buffer = Buffer::new(Vessel::default(), SPOOL_LIMIT);
    buffer.push(Stream::Stderr, UnixMillis(0), b"abc").unwrap();
    assert!(matches!(
        buffer.ack(1),
        Err(BufferError::AckBeyond { said: 1, sent: 0 })
    ));
    assert!(matches!(
        buffer.resume(4),
        Err(BufferError::AckBeyond { said: 4, sent: 3 })
    ));
    buffer.resume(0).unwrap();
    assert!(buffer.next_frame().unwrap().is_some());
    buffer.ack(3).unwrap();
    assert!(matches!(
        buffer.resume(2),
        Err(BufferError::AckTakenBack {
            said: 2,
            durable: 3
        })
    ));
}

#[test]
fn while_acks_flow_the_command_waits_and_the_spool_is_left_alone() {
    let mut buffer = Buffer::new(Vessel::default(), SPOOL_LIMIT);
    while buffer.accepts(false) {
        buffer
            .push(Stream::Stdout, UnixMillis(0), &noise(MAX_CHUNK, 7))
            .unwrap();
    }
    assert_eq!(buffer.spooled(), 0);
    assert!(
        buffer.accepts(true),
        "with the server away the spool takes over"
    );
    buffer.resume(0).unwrap();
    let mut sent = 0;
    while let Some(frame) = buffer.next_frame().unwrap() {
        sent += OutputFrame::decode(&frame).unwrap().raw_len;
    }
    buffer.ack(u64::from(sent)).unwrap();
    assert!(buffer.accepts(false));
}
