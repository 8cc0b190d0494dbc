//! A WebSocket past its handshake, without a library: what a line costs here is taken from the server.

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// Set in the second byte of what a client sends; the mask is zero.
const MASKED: u8 = 0x80;

/// The way to the server.
pub(crate) struct To {
    stream: OwnedWriteHalf,
    frame: Vec<u8>,
}

/// The way from the server.
pub(crate) struct From {
    stream: OwnedReadHalf,
    pending: Vec<u8>,
}

/// The two ways of a connection on which nothing is under way.
pub(crate) fn split(stream: TcpStream) -> (To, From) {
    let (from, to) = stream.into_split();
    let to = To {
        stream: to,
        frame: Vec::new(),
    };
    let from = From {
        stream: from,
        pending: Vec::new(),
    };
    (to, from)
}

impl To {
    /// Sends `message` as JSON.
    pub(crate) async fn say<T: serde::Serialize>(&mut self, message: &T) -> Result<()> {
        let text = serde_json::to_vec(message)?;
        self.send(TEXT, &text).await
    }

    /// Sends a binary frame.
    pub(crate) async fn binary(&mut self, payload: &[u8]) -> Result<()> {
        self.send(BINARY, payload).await
    }

    async fn send(&mut self, kind: u8, payload: &[u8]) -> Result<()> {
        let frame = &mut self.frame;
        frame.clear();
        frame.push(kind);
        match u8::try_from(payload.len()) {
            Ok(short @ ..126) => frame.push(MASKED | short),
            _ => {
                frame.push(MASKED | 126);
                frame.extend(u16::try_from(payload.len())?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        Ok(self.stream.write_all(frame).await?)
    }
}

impl From {
    /// Waits for messages and hands each that has come to `heard`, until that says that it has heard enough.
    pub(crate) async fn hear<T: DeserializeOwned>(
        &mut self,
        mut heard: impl FnMut(T) -> bool,
    ) -> Result<()> {
        loop {
            let mut enough = false;
            let mut rest = self.pending.as_slice();
            while let Some((kind, payload, after)) = first(rest)? {
                rest = after;
                match kind {
                    TEXT => enough |= heard(serde_json::from_slice(payload)?),
                    CLOSE => bail!("the server has closed the connection"),
                    PING => {}
                    other => bail!("a frame of kind {other:#x}"),
                }
            }
            let done = self.pending.len() - rest.len();
            self.pending.drain(..done);
            if enough {
                return Ok(());
            }
            let read = self.stream.read_buf(&mut self.pending).await?;
            ensure!(read > 0, "the server has hung up");
        }
    }
}

/// The first frame of `bytes` if all of it is there: its kind, its payload, and what comes after it.
fn first(bytes: &[u8]) -> Result<Option<(u8, &[u8], &[u8])>> {
    let (kind, len, rest) = match bytes {
        [_, 127, ..] => bail!("a frame of more than 64 KiB from the server"),
        [kind, 126, high, low, rest @ ..] => {
            (*kind, usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        [_, 126, ..] | [_] | [] => return Ok(None),
        [kind, len, rest @ ..] => (*kind, usize::from(*len), rest),
    };
    if rest.len() < len {
        return Ok(None);
    }
    let (payload, after) = rest.split_at_checked(len).context("a short frame")?;
    Ok(Some((kind, payload, after)))
}
