//! What others tell this process by signals.

use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// See the module.
pub(crate) struct Signals {
    children: Signal,
    /// Those that end a process which does nothing about them: the command would go on, and nobody could hear or end it.
    /// What is caught here begins in the command as if nobody had ignored it before, as `nohup` does; a shell could not
    /// even trap it otherwise.
    ends: [Signal; 4],
}

impl Signals {
    /// From now on they are caught.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            children: signal(SignalKind::child())?,
            ends: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::quit())?,
            ],
        })
    }

    /// Waits for a child's end, or for somebody who wants ours.
    pub(crate) async fn next(&mut self) -> Told {
        std::future::poll_fn(|cx| {
            if self.children.poll_recv(cx).is_ready() {
                return Poll::Ready(Told::ChildEnded);
            }
            if self.ends.iter_mut().any(|end| end.poll_recv(cx).is_ready()) {
                return Poll::Ready(Told::End);
            }
            Poll::Pending
        })
        .await
    }
}

/// What a signal said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// A child has ended, or several have.
    ChildEnded,
    /// This process is to end.
    End,
}
