//! The way to the writer: pieces in order, and no more of them than there is room for.

use super::error::{AppendError, OutputError};
use super::writer::{GROUP_BYTES, Order};
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that may wait for the writer, over all streams. Submitters wait when it is reached.
const MAX_QUEUED: usize = 32 * 1024 * 1024;

/// What a piece costs besides its bytes.
const OVERHEAD: usize = 256;

/// Where pieces wait. Streams share it.
pub(super) struct Intake {
    orders: mpsc::UnboundedSender<Order>,
    room: Arc<Semaphore>,
    enough: Arc<Notify>,
}

impl Intake {
    /// The way in, and what the writer listens to: the orders, and a word when enough for a commit may have come.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Order>, Arc<Notify>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let enough = Arc::new(Notify::new());
        let intake = Self {
            orders,
            room: Arc::new(Semaphore::new(MAX_QUEUED)),
            enough: Arc::clone(&enough),
        };
        (intake, inbox, enough)
    }

    /// Waits for room for a piece of so many bytes.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AppendError> {
        let permits = u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room);
        if let Ok(room) = Arc::clone(&room).try_acquire_many_owned(permits) {
            return Ok(room);
        }
        tokio::select! {
            room = room.acquire_many_owned(permits) => {
                room.map_err(|_| OutputError::Closed.into())
            }
            () = self.closed() => Err(OutputError::Closed.into()),
        }
    }

    /// Hands an order to the writer.
    pub(super) fn send(&self, order: Order) -> Result<(), OutputError> {
        self.orders.send(order).map_err(|_| OutputError::Closed)?;
        if self.room.available_permits() < MAX_QUEUED - GROUP_BYTES {
            self.enough.notify_one();
        }
        Ok(())
    }

    /// Waits for the writer's end.
    pub(super) async fn closed(&self) {
        self.orders.closed().await;
    }
}
