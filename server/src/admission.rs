//! Who may connect to a port: how many, how many from one address, and how long each may take over a step.
//!
//! A bound on all connections alone would let one host take every seat. With half of them for one address at most, and half of
//! the places for those that have said nothing yet, the others are still heard.

mod body;
mod limits;
mod patient;

pub(crate) use body::Timed;
pub use limits::ConnectionLimits;
pub(crate) use patient::Patient;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How often the log tells that connections are turned away, at most.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Decides for one port. Clones share it.
#[derive(Debug, Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: ConnectionLimits,
    handshakes: Arc<Semaphore>,
    present: Mutex<Present>,
    turned_away: AtomicU64,
}

/// Who is connected.
#[derive(Debug, Default)]
struct Present {
    connections: usize,
    addresses: HashMap<IpAddr, FromAddress>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct FromAddress {
    connections: usize,
    handshakes: Arc<Semaphore>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
    handshakes: Arc<Semaphore>,
}

/// A place among those that have not said yet what they want; given back when dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    _of_address: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Admission {
    /// Nobody is connected yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                handshakes: Arc::new(Semaphore::new(limits.handshakes)),
                limits,
                present: Mutex::default(),
                turned_away: AtomicU64::new(0),
            }),
        }
    }

    /// The bounds that it keeps.
    pub fn limits(&self) -> &ConnectionLimits {
        &self.shared.limits
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.shared.present().connections
    }

    /// Connections that were closed because there were too many.
    pub fn turned_away(&self) -> u64 {
        self.shared.turned_away.load(Ordering::Relaxed)
    }

    /// A place for a connection from `peer`, unless there are too many.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let limits = &self.shared.limits;
        let address = counted_as(peer);
        let mut present = self.shared.present();
        let here = present
            .addresses
            .get(&address)
            .map_or(0, |from| from.connections);
        if present.connections >= limits.connections || here >= limits.per_address {
            self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
            present.tell(peer, here);
            return None;
        }
        present.connections += 1;
        let from = present
            .addresses
            .entry(address)
            .or_insert_with(|| FromAddress {
                connections: 0,
                handshakes: Arc::new(Semaphore::new(limits.handshakes_per_address)),
            });
        from.connections += 1;
        Some(Place {
            handshakes: Arc::clone(&from.handshakes),
            shared: Arc::clone(&self.shared),
            address,
        })
    }
}

impl Shared {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    fn tell(&mut self, peer: IpAddr, here: usize) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < TELL_EVERY) {
            return;
        }
        self.told = Some(now);
        tracing::warn!(
            "a connection from {peer} was turned away: {} are open, {here} of them from its address; docs/SECURITY.md has the limits",
            self.connections
        );
    }
}

impl Place {
    /// Waits for a place among those that have not said yet what they want; `None` if none is free in the time for a
    /// request's head.
    pub(crate) async fn handshake(&self) -> Option<Handshake> {
        // Its address's first: those who wait for that one keep nobody else waiting.
        let both = async {
            let of_address = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.shared.handshakes).acquire_owned();
            Some(Handshake {
                _of_address: of_address,
                _of_all: of_all.await.ok()?,
            })
        };
        let within = self.shared.limits.head_within;
        tokio::time::timeout(within, both).await.ok().flatten()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.shared.present();
        present.connections -= 1;
        if let Some(from) = present.addresses.get_mut(&self.address) {
            from.connections -= 1;
            if from.connections == 0 {
                present.addresses.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, for whoever has one address of it has all.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn admission() -> Admission {
        Admission::new(ConnectionLimits {
            connections: 4,
            per_address: 2,
            handshakes: 2,
            handshakes_per_address: 1,
            ..ConnectionLimits::api()
        })
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let admission = admission();
        let first = admission.admit(peer("10.0.0.1"));
        let _second = admission.admit(peer("::ffff:10.0.0.1")).unwrap();
        assert!(first.is_some());
        assert!(admission.admit(peer("10.0.0.1")).is_none());
        let _other = admission.admit(peer("10.0.0.2")).unwrap();
        let _third = admission.admit(peer("10.0.0.3")).unwrap();
        assert!(admission.admit(peer("10.0.0.4")).is_none(), "all are taken");
        assert_eq!(admission.turned_away(), 2);
        drop(first);
        assert!(admission.admit(peer("10.0.0.1")).is_some());
        assert_eq!(admission.shared.present().addresses.len(), 3);
    }

    #[test]
    fn the_addresses_of_one_network_count_as_one() {
        let admission = admission();
        let _places = [
            admission.admit(peer("2001:db8::1")).unwrap(),
            admission.admit(peer("2001:db8::ffff:2")).unwrap(),
        ];
        assert!(admission.admit(peer("2001:db8::3")).is_none());
        assert!(admission.admit(peer("2001:db8:0:1::3")).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_keeps_only_its_own_address_waiting() {
        let admission = admission();
        let one = admission.admit(peer("10.0.0.1")).unwrap();
        let two = admission.admit(peer("10.0.0.1")).unwrap();
        let other = admission.admit(peer("10.0.0.2")).unwrap();
        let silent = one.handshake().await.unwrap();
        assert!(two.handshake().now_or_never().is_none());
        assert!(other.handshake().await.is_some());
        // It waits as long as it may take for a head, and no longer.
        assert!(two.handshake().await.is_none());
        drop(silent);
        assert!(two.handshake().await.is_some());
    }
}
