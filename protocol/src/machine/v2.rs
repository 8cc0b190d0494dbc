//! Version 2: control messages as JSON text frames, output as binary frames addressed by byte offset.
//!
//! Life of a connection: the handshake carries `Authorization: Bearer <token>`; the wrapper says
//! [`FromWrapper::Hello`]; the server answers [`FromServer::Welcome`] or [`FromServer::Leave`]; then
//! both go on from the durable offset. Reconnecting is the same again, any number of times.

use super::Stream;
use crate::ids::{JobName, MachineId, RunId};
use crate::launch::CommandSpec;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Longest run of raw bytes in one output frame.
pub const MAX_CHUNK: usize = 256 * 1024;
/// Longest frame either side accepts.
pub const MAX_FRAME: usize = 1024 * 1024;
/// Bytes that may be sent and not yet acknowledged.
pub const WINDOW: u64 = 4 * 1024 * 1024;

/// Identifies one wrapper process, so that a reconnecting wrapper and a second wrapper for the same
/// machine can be told apart. Chosen at random by the wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WrapperId(pub u64);

/// Control messages of a wrapper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromWrapper {
    /// First message of every connection.
    Hello {
        /// The job.
        job: JobName,
        /// The run.
        run: RunId,
        /// The machine.
        machine: MachineId,
        /// This wrapper process.
        wrapper: WrapperId,
        /// The wrapper's version.
        version: String,
        /// How far the command has come.
        progress: Progress,
        /// What it can do beyond the first wrappers of this version.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        features: Vec<Feature>,
    },
    /// The command has started.
    Started {
        /// Process id of the shell.
        pid: u32,
        /// The wrapper's clock.
        at: UnixMillis,
    },
    /// Every five seconds.
    Heartbeat,
    /// The command has ended. All of its output, `length` bytes, has been sent before this message.
    Ended {
        /// How.
        exit: Exit,
        /// Length of the machine's output in bytes.
        length: u64,
        /// The wrapper's clock.
        at: UnixMillis,
    },
    /// The command could not be started; the wrapper leaves after the server's `done`.
    CannotStart {
        /// A sentence for the operator.
        message: String,
    },
    /// A type of a later version.
    #[serde(other)]
    Unknown,
}

/// Something that not every wrapper of this version can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// It takes the secrets of `welcome` and masks them in what the command writes.
    Secrets,
    /// One of a later version.
    #[serde(other)]
    Unknown,
}

/// How far a wrapper's command has come, as said in `hello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Progress {
    /// Not started: the wrapper asks for its command.
    New,
    /// Started. If it has ended meanwhile, `ended` follows once all output is sent.
    Started {
        /// Process id of the shell.
        pid: u32,
        /// When it started, by the wrapper's clock.
        at: UnixMillis,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Exit {
    /// By itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// By a signal that the wrapper did not send for a kill or a timeout.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// By its time limit, whatever its own code was.
    TimedOut,
    /// By the server's kill, whatever its own code was.
    Killed,
}

/// Messages of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer {
    /// Go on: start the command if you have not, and send output from `durable`.
    Welcome {
        /// What to run; sent to a wrapper that said [`Progress::New`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<CommandSpec>,
        /// Output up to this offset is durable here.
        durable: u64,
        /// Whether a kill is pending.
        kill: bool,
        /// The server's version.
        version: String,
    },
    /// This wrapper has nothing to do here: it ends, without starting anything.
    Leave {
        /// Why.
        reason: LeaveReason,
        /// A sentence for the wrapper's log.
        message: String,
    },
    /// Output up to `durable` is durable.
    Ack {
        /// Offset of the first byte that is not yet durable.
        durable: u64,
    },
    /// End the command: SIGTERM, then SIGKILL to its whole group.
    Kill,
    /// The outcome is durable: the wrapper may forget everything and exit.
    Done,
    /// A message was refused; the connection stays, unless said ten times in a row.
    Refused {
        /// Which problem.
        code: RefusedCode,
        /// What was wrong.
        message: String,
    },
    /// A type of a later version.
    #[serde(other)]
    Unknown,
}

/// Why a wrapper is told to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Another wrapper already runs this machine's command.
    NotTheOne,
    /// The machine's part of the run is over.
    AlreadyEnded,
    /// The run or the machine is not known, or the token is not the run's.
    NotKnown,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCode {
    /// Not a message of this protocol.
    BadMessage,
    /// An output frame that does not continue the log.
    OutOfOrder,
    /// Something other than `hello` came first.
    HelloFirst,
}

/// One piece of output: `bytes` stand at `offset` in the machine's output log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFrame<B> {
    /// Which stream.
    pub stream: Stream,
    /// Position of the first raw byte.
    pub offset: u64,
    /// The wrapper's clock when it read the bytes.
    pub at: UnixMillis,
    /// Number of raw bytes, 1 to [`MAX_CHUNK`].
    pub raw_len: u32,
    /// How `payload` holds them.
    pub encoding: Encoding,
    /// The raw or compressed bytes.
    pub payload: B,
}

/// How a payload holds the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
}

/// Length of an output frame's header in bytes.
pub const HEADER_LEN: usize = 22;
const KIND_OUTPUT: u8 = 1;
const FLAG_STDERR: u8 = 1;
const FLAG_ZSTD: u8 = 2;

/// Why a binary frame is not an output frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header.
    #[error("a binary frame of {0} bytes is shorter than its header")]
    Short(usize),
    /// A kind of a later version.
    #[error("binary frame of unknown kind {0}")]
    Kind(u8),
    /// Flags of a later version.
    #[error("output frame with unknown flags {0:#04x}")]
    Flags(u8),
    /// No bytes, or more than [`MAX_CHUNK`].
    #[error("output frame of {0} raw bytes; 1 to {MAX_CHUNK} are allowed")]
    Length(u32),
    /// A raw payload whose length is not the one announced.
    #[error("output frame announces {announced} bytes and carries {carried}")]
    Mismatch {
        /// As the header says.
        announced: u32,
        /// As it is.
        carried: usize,
    },
}

impl<B: AsRef<[u8]>> OutputFrame<B> {
    /// Writes the frame: kind, flags, raw length (u32), offset (u64), time (i64), all little-endian, payload.
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload.as_ref();
        let mut flags = 0;
        if self.stream == Stream::Stderr {
            flags |= FLAG_STDERR;
        }
        if self.encoding == Encoding::Zstd {
            flags |= FLAG_ZSTD;
        }
        let mut frame = Vec::with_capacity(HEADER_LEN + payload.len());
        frame.extend_from_slice(&[KIND_OUTPUT, flags]);
        frame.extend_from_slice(&self.raw_len.to_le_bytes());
        frame.extend_from_slice(&self.offset.to_le_bytes());
        frame.extend_from_slice(&self.at.0.to_le_bytes());
        frame.extend_from_slice(payload);
        frame
    }
}

impl<'a> OutputFrame<&'a [u8]> {
    /// Reads a frame. A compressed payload is not looked into.
    pub fn decode(frame: &'a [u8]) -> Result<Self, FrameError> {
        let Some((header, payload)) = frame.split_first_chunk::<HEADER_LEN>() else {
            return Err(FrameError::Short(frame.len()));
        };
        let [
            kind,
            flags,
            l0,
            l1,
            l2,
            l3,
            o0,
            o1,
            o2,
            o3,
            o4,
            o5,
            o6,
            o7,
            time @ ..,
        ] = *header;
        if kind != KIND_OUTPUT {
            return Err(FrameError::Kind(kind));
        }
        if flags & !(FLAG_STDERR | FLAG_ZSTD) != 0 {
            return Err(FrameError::Flags(flags));
        }
        let raw_len = u32::from_le_bytes([l0, l1, l2, l3]);
        if raw_len == 0 || raw_len as usize > MAX_CHUNK {
            return Err(FrameError::Length(raw_len));
        }
        let encoding = if flags & FLAG_ZSTD == 0 {
            Encoding::Raw
        } else {
            Encoding::Zstd
        };
        if encoding == Encoding::Raw && payload.len() != raw_len as usize {
            return Err(FrameError::Mismatch {
                announced: raw_len,
                carried: payload.len(),
            });
        }
        Ok(Self {
            stream: if flags & FLAG_STDERR == 0 {
                Stream::Stdout
            } else {
                Stream::Stderr
            },
            offset: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            at: UnixMillis(i64::from_le_bytes(time)),
            raw_len,
            encoding,
            payload,
        })
    }
}
