//! What everything simulated shares: chance, the clock, the trace, what is durable, and what was seen to be wrong.

use crate::dice::Dice;
use crate::disk::Disk;
use crate::life::Life;
use crate::machines::Machines;
use saltpeter_protocol::UnixMillis;
use saltpeter_server::clock::Clock;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// When every simulation begins: 2023-11-14T22:13:20Z.
pub(crate) const BEGIN: UnixMillis = UnixMillis(1_700_000_000_000);

/// A way to break the product, to show that the twin notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Output is acknowledged before it is committed.
    AckBeforeCommit,
    /// A run's state counts as written before it is.
    ActBeforeWrite,
    /// A kill is not stored.
    ForgetKill,
    /// Which wrapper is a machine's one is not stored.
    ForgetSpeaker,
    /// A job's instants may get two runs, and which were the last ones is not remembered.
    NoDedupe,
    /// A wrapper that comes back sends its output from the beginning.
    ResumeAtZero,
    /// What was sent counts as delivered when the line breaks.
    DropUnacked,
    /// Orders to kill do not reach wrappers that are connected, or come back.
    DeafToKill,
    /// A wrapper that comes back is told to send again what the server has, and the server takes it twice.
    TakeTwice,
}

/// The time of day, which people and NTP set.
pub(crate) struct SimClock {
    origin: Instant,
    offset: AtomicI64,
}

impl Clock for SimClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(BEGIN.0 + self.offset.load(Ordering::Relaxed)) + self.origin.elapsed()
    }
}

struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

pub(crate) struct World {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) disk: Mutex<Disk>,
    pub(crate) machines: Mutex<Machines>,
    pub(crate) life: Mutex<Option<Arc<Life>>>,
    pub(crate) deaths: mpsc::UnboundedSender<u64>,
    /// Whether things break by themselves.
    storm: AtomicBool,
    dice: Mutex<Dice>,
    trace: Mutex<Trace>,
    violations: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        mutation: Option<Mutation>,
        traced: bool,
        deaths: mpsc::UnboundedSender<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(SimClock {
                origin: Instant::now(),
                offset: AtomicI64::new(0),
            }),
            mutation,
            disk: Mutex::default(),
            machines: Mutex::default(),
            life: Mutex::default(),
            deaths,
            storm: AtomicBool::new(true),
            dice: Mutex::new(Dice::new(seed)),
            trace: Mutex::new(Trace {
                hash: 0xcbf2_9ce4_8422_2325,
                lines: traced.then(Vec::new),
            }),
            violations: Mutex::default(),
        })
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap()
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    pub(crate) fn machines(&self) -> MutexGuard<'_, Machines> {
        self.machines.lock().unwrap()
    }

    /// The server that is up, if one is.
    pub(crate) fn server(&self) -> Option<Arc<Life>> {
        let life = self.life.lock().unwrap();
        life.as_ref().filter(|life| life.is_alive()).cloned()
    }

    pub(crate) fn is_storm(&self) -> bool {
        self.storm.load(Ordering::Relaxed)
    }

    pub(crate) fn calm(&self) {
        self.storm.store(false, Ordering::Relaxed);
    }

    /// Whether something with these odds breaks now.
    pub(crate) fn breaks(&self, odds: u64) -> bool {
        self.is_storm() && self.dice().one_in(odds)
    }

    pub(crate) fn step_clock(&self, by: i64) {
        self.clock.offset.fetch_add(by, Ordering::Relaxed);
        self.note(format_args!("the clock is set by {by} ms"));
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        let mut trace = self.trace.lock().unwrap();
        let mut line = String::new();
        let _ = write!(
            line,
            "{:>8} {what}",
            self.clock.origin.elapsed().as_millis()
        );
        for byte in line.bytes() {
            trace.hash = (trace.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut trace.lines {
            lines.push(line);
        }
    }

    /// Something is wrong that never may be.
    pub(crate) fn violation(&self, what: std::fmt::Arguments<'_>) {
        self.note(format_args!("VIOLATION: {what}"));
        self.violations.lock().unwrap().push(what.to_string());
    }

    /// The trace's hash, its lines and the violations.
    pub(crate) fn verdict(&self) -> (u64, Vec<String>, Vec<String>) {
        let mut trace = self.trace.lock().unwrap();
        let lines = trace.lines.take().unwrap_or_default();
        (trace.hash, lines, self.violations.lock().unwrap().clone())
    }
}
