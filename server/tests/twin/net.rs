//! Connections: messages arrive in order and late; a line may break at any message, and each side learns of it in its own
//! time, or not at all.

use crate::life::Life;
use crate::world::World;
use axum::extract::ws::Message;
use bytes::Bytes;
use futures::{Sink, Stream};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Odds of a break at a message.
const BREAK: u64 = 80;

/// What both ends of a line share.
pub(crate) struct Conn {
    /// Nothing gets through any more.
    broken: AtomicBool,
    tell_wrapper: CancellationToken,
    tell_server: CancellationToken,
}

impl Conn {
    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Nothing gets through from now on. `heard`: the wrapper's side learns of it at once.
    pub(crate) fn break_off(&self, heard: bool) {
        self.broken.store(true, Ordering::Relaxed);
        if heard {
            self.tell_wrapper.cancel();
        }
    }

    /// The same, and each side learns of it in time, if at all.
    fn break_by_itself(self: &Arc<Self>, world: &World) {
        self.broken.store(true, Ordering::Relaxed);
        for side in [&self.tell_wrapper, &self.tell_server] {
            let after = {
                let mut dice = world.dice();
                match dice.between(0, 3) {
                    0 => Duration::ZERO,
                    1 => dice.millis(10, 60_000),
                    _ => continue,
                }
            };
            let side = side.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                side.cancel();
            });
        }
    }
}

#[derive(PartialEq, Eq)]
enum Side {
    Wrapper,
    Server,
}

/// One end of a line.
pub(crate) struct End {
    side: Side,
    conn: Arc<Conn>,
    life: Arc<Life>,
    world: Arc<World>,
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    to: mpsc::UnboundedSender<(Instant, Message)>,
    from: mpsc::UnboundedReceiver<(Instant, Message)>,
    arriving: Option<Message>,
    arrives: Pin<Box<Sleep>>,
    /// When the last message that was sent arrives.
    last: Instant,
    over: bool,
}

/// A new line: the wrapper's end, the server's, and what they share.
pub(crate) fn line(world: &Arc<World>, life: &Arc<Life>) -> (End, End, Arc<Conn>) {
    let conn = Arc::new(Conn {
        broken: AtomicBool::new(false),
        tell_wrapper: CancellationToken::new(),
        tell_server: CancellationToken::new(),
    });
    let (up_in, up) = mpsc::unbounded_channel();
    let (down_in, down) = mpsc::unbounded_channel();
    let end = |side, told: &CancellationToken, to, from| End {
        side,
        told: Box::pin(told.clone().cancelled_owned()),
        conn: Arc::clone(&conn),
        life: Arc::clone(life),
        world: Arc::clone(world),
        to,
        from,
        arriving: None,
        arrives: Box::pin(tokio::time::sleep(Duration::ZERO)),
        last: Instant::now(),
        over: false,
    };
    let wrapper = end(Side::Wrapper, &conn.tell_wrapper, up_in, down);
    let server = end(Side::Server, &conn.tell_server, down_in, up);
    (wrapper, server, conn)
}

fn broken() -> axum::Error {
    axum::Error::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}

impl End {
    pub(crate) fn send(&mut self, message: Message) {
        if self.side == Side::Server && !self.life.is_alive() {
            return;
        }
        let late = {
            let mut dice = self.world.dice();
            match dice.between(0, 100) {
                0 => dice.millis(100, 3000),
                1..40 => dice.millis(1, 30),
                _ => Duration::ZERO,
            }
        };
        self.last = self.last.max(Instant::now() + late);
        let _ = self.to.send((self.last, message));
        if !self.conn.is_broken() && self.world.breaks(BREAK) {
            self.world.note(format_args!("a line breaks"));
            self.conn.break_by_itself(&self.world);
        }
    }
}

impl Stream for End {
    type Item = Result<Message, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let end = self.get_mut();
        if end.over {
            return Poll::Ready(None);
        }
        if end.side == Side::Server && !end.life.is_alive() {
            return Poll::Pending;
        }
        if end.told.as_mut().poll(cx).is_ready() {
            end.over = true;
            return Poll::Ready(Some(Err(broken())));
        }
        loop {
            if end.arriving.is_some() {
                ready!(end.arrives.as_mut().poll(cx));
                let Some(message) = end.arriving.take().filter(|_| !end.conn.is_broken()) else {
                    continue;
                };
                if let (Side::Server, Message::Ping(_)) = (&end.side, &message) {
                    end.send(Message::Pong(Bytes::new()));
                }
                return Poll::Ready(Some(Ok(message)));
            }
            match ready!(end.from.poll_recv(cx)) {
                Some((at, message)) => {
                    end.arrives.as_mut().reset(at);
                    end.arriving = Some(message);
                }
                // The other side's farewell does not get through either.
                None if end.conn.is_broken() => return Poll::Pending,
                None => {
                    end.over = true;
                    return Poll::Ready(None);
                }
            }
        }
    }
}

impl Sink<Message> for End {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        let end = self.get_mut();
        if end.over {
            return Err(broken());
        }
        end.send(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}
