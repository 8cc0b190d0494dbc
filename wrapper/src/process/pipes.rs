//! The command's two output pipes, read in turn so that their order is about that of the writes.

use saltpeter_protocol::machine::Stream;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use tokio::net::unix::pipe::Receiver;

/// A larger pipe lets a fast command go on while the wrapper is busy. Fails silently where it is not allowed.
const PIPE_SIZE: usize = 1024 * 1024;

/// See the module. A pipe is dropped at its end.
pub(crate) struct Pipes {
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    last: Stream,
}

impl Pipes {
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        let receiver = |fd: OwnedFd| {
            let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_SIZE);
            Receiver::from_owned_fd(fd)
        };
        Ok(Self {
            stdout: Some(receiver(stdout)?),
            stderr: Some(receiver(stderr)?),
            last: Stream::Stderr,
        })
    }

    /// Whether both are at their end.
    pub(crate) fn ended(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Whether there is something that could be read at once.
    pub(crate) fn waiting(&self) -> bool {
        [&self.stdout, &self.stderr]
            .into_iter()
            .flatten()
            .any(|pipe| rustix::io::ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 0))
    }

    /// Reads from whichever has something, the one that was not read last first. `None`: both are at
    /// their end.
    pub(crate) async fn read(&mut self, into: &mut [u8]) -> Option<(Stream, usize)> {
        std::future::poll_fn(|cx| self.poll_read(cx, into)).await
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<Option<(Stream, usize)>> {
        let order = match self.last {
            Stream::Stdout => [Stream::Stderr, Stream::Stdout],
            Stream::Stderr => [Stream::Stdout, Stream::Stderr],
        };
        for stream in order {
            let pipe = match stream {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            while let Some(open) = pipe {
                match open.poll_read_ready(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(())) => match open.try_read(into) {
                        Ok(0) => *pipe = None,
                        Ok(count) => {
                            self.last = stream;
                            return Poll::Ready(Some((stream, count)));
                        }
                        // Not ready after all: asking again registers for the next time.
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) => *pipe = None,
                    },
                    Poll::Ready(Err(_)) => *pipe = None,
                }
            }
        }
        if self.ended() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }
}
