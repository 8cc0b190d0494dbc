//! A wrapper's link to the server, which is made anew whenever it is lost.

use super::{Runner, core_now};
use crate::life::key;
use crate::net::{End, line};
use crate::world::{Mutation, World};
use axum::extract::ws::Message;
use futures::StreamExt as _;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::machine::v2::FromServer;
use saltpeter_server::machines::Door;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Sleep;

pub(super) enum Event {
    Connected,
    Message(Box<FromServer>),
    Alive,
    Writable,
    Lost,
}

type Attempt = Pin<Box<dyn Future<Output = Option<End>> + Send>>;

pub(super) enum Link {
    Closed,
    Waiting(Pin<Box<Sleep>>),
    Connecting(Attempt),
    Open(Box<End>),
}

async fn connect(world: Arc<World>, launch: Launch) -> Option<End> {
    let pause = world.dice().millis(1, 30);
    tokio::time::sleep(pause).await;
    if world.machines().is_away(&launch.machine) {
        tokio::time::sleep(Duration::from_secs(10)).await;
        return None;
    }
    let life = world.server()?;
    let hub = life.hub()?.clone();
    let seat = hub.seat()?;
    let (near, far, conn) = line(&world, &life);
    life.lines.lock().unwrap().push(Arc::clone(&conn));
    world.machines().connected(&launch.machine, &conn);
    let token = Some(key().token(&launch.run).expose().to_owned());
    tokio::spawn(async move { hub.talk(seat, far, Door::V2 { token }).await });
    Some(near)
}

impl Link {
    /// The first attempt.
    pub(super) fn begin(world: &Arc<World>, launch: &Launch) -> Self {
        Self::Connecting(Box::pin(connect(Arc::clone(world), launch.clone())))
    }

    pub(super) fn send(&mut self, message: Message) {
        if let Self::Open(end) = self {
            end.send(message);
        }
    }

    /// What happens on the link. Nothing is lost when the future is dropped before it is ready.
    pub(super) async fn next(
        &mut self,
        world: &Arc<World>,
        launch: &Launch,
        writes: bool,
    ) -> Event {
        loop {
            match self {
                Self::Closed => std::future::pending().await,
                Self::Waiting(sleep) => {
                    sleep.as_mut().await;
                    *self = Self::begin(world, launch);
                }
                Self::Connecting(attempt) => {
                    let Some(end) = attempt.as_mut().await else {
                        return Event::Lost;
                    };
                    *self = Self::Open(Box::new(end));
                    return Event::Connected;
                }
                Self::Open(end) => {
                    let writable = async {
                        if !writes {
                            std::future::pending::<()>().await;
                        }
                    };
                    return tokio::select! {
                        biased;
                        message = end.next() => match message {
                            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                                Ok(message) => Event::Message(Box::new(message)),
                                Err(e) => {
                                    world.violation(format_args!("not a message: {e}"));
                                    Event::Alive
                                }
                            },
                            Some(Ok(Message::Close(_)) | Err(_)) | None => Event::Lost,
                            Some(Ok(_)) => Event::Alive,
                        },
                        () = writable => Event::Writable,
                    };
                }
            }
        }
    }
}

impl Runner {
    pub(super) fn reconnect(&mut self, why: &str) {
        self.note(format_args!("connects anew: {why}"));
        self.session.disconnected();
        self.drop_connection();
    }

    fn drop_connection(&mut self) {
        let delay = self.backoff.next(self.world.dice().next());
        self.link = Link::Waiting(Box::pin(tokio::time::sleep(delay)));
    }

    pub(super) fn on_link(&mut self, event: Event) {
        match event {
            Event::Connected => self.session.connected(core_now()),
            Event::Message(message) => {
                self.note(format_args!("< {message:?}"));
                self.session.heard(core_now());
                self.session.message(*message, core_now());
            }
            Event::Alive => self.session.heard(core_now()),
            Event::Writable => match self.buffer.next_frame() {
                Ok(Some(frame)) => {
                    self.link.send(Message::Binary(frame));
                }
                Ok(None) => {}
                Err(e) => self.check(Err(e)),
            },
            Event::Lost => {
                self.note(format_args!("not connected"));
                self.drop_connection();
                self.session.disconnected();
                if self.world.is(Mutation::DropUnacked) && self.buffer.all_sent() {
                    let end = self.buffer.end();
                    let _ = self.buffer.ack(end);
                }
            }
        }
    }
}
