//! What goes wrong in a chaos run.

use crate::content::Dice;
use std::time::Duration;

/// In the last part of a run the clock is left alone, so that the scheduler sees every step while jobs still fire. It sleeps
/// for ten seconds at most.
const CLOCK_CALM: Duration = Duration::from_secs(7);

/// Something that goes wrong, or that somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL to the server, and a new one after `down`. With `after_tick`, the kill waits for the next whole second and
    /// this long, so that it falls among the starts.
    KillServer {
        /// How long there is no server.
        down: Duration,
        /// Since the second.
        after_tick: Option<Duration>,
    },
    /// SIGTERM to the server, and a new one after `down`.
    StopServer {
        /// How long there is no server.
        down: Duration,
    },
    /// SIGKILL to a wrapper, the `pick`th of those that there are.
    KillWrapper {
        /// Taken by the remainder.
        pick: u64,
    },
    /// Ends every `of`th connection of a wrapper.
    Cut {
        /// 1: all.
        of: u64,
    },
    /// The server's side of every `of`th connection ends, and the wrapper's stays open in silence.
    HalfOpen {
        /// 1: all.
        of: u64,
    },
    /// Nothing passes any more, on connections of before and of now, until `lasts` is over; then all of them end.
    BlackHole {
        /// How long.
        lasts: Duration,
    },
    /// New connections end at once.
    Refuse {
        /// How long.
        lasts: Duration,
    },
    /// Whatever passes is late.
    Delay {
        /// By how much.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Somebody sets the server's clock.
    StepClock {
        /// Forward by so many milliseconds; back when negative.
        by: i64,
    },
    /// Every commit takes this much longer.
    SlowDisk {
        /// How much.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Every commit fails as on a full disk.
    FullDisk {
        /// How long.
        lasts: Duration,
    },
    /// Somebody presses Run now, and kills the run `then` later.
    RunAndKill {
        /// How long it runs.
        then: Duration,
        /// Whether the server dies at once after it has taken the kill.
        and_kill_server: bool,
    },
}

impl Fault {
    /// The kind, for counting.
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillServer { .. } => "server killed",
            Self::StopServer { .. } => "server stopped",
            Self::KillWrapper { .. } => "wrapper killed",
            Self::Cut { .. } => "links cut",
            Self::HalfOpen { .. } => "half open",
            Self::BlackHole { .. } => "black hole",
            Self::Refuse { .. } => "refused",
            Self::Delay { .. } => "delayed",
            Self::StepClock { .. } => "clock set",
            Self::SlowDisk { .. } => "disk slow",
            Self::FullDisk { .. } => "disk full",
            Self::RunAndKill { .. } => "killed by hand",
        }
    }
}

/// Rolls a fault, with so much of the run `left`; the clock is `ahead` by so many milliseconds.
pub(super) fn fault(dice: &mut Dice, left: Duration, ahead: &mut i64) -> Fault {
    let millis = |dice: &mut Dice, least, most| Duration::from_millis(dice.between(least, most));
    match dice.between(0, 99) {
        0..=19 => Fault::KillServer {
            down: millis(dice, 0, 2500),
            after_tick: dice.chance(60).then(|| millis(dice, 0, 60)),
        },
        20..=23 => Fault::StopServer {
            down: millis(dice, 0, 1500),
        },
        24..=31 => Fault::KillWrapper { pick: dice.roll() },
        32..=49 => Fault::Cut {
            of: dice.between(1, 3),
        },
        50..=55 => Fault::HalfOpen {
            of: dice.between(1, 3),
        },
        56..=61 => Fault::BlackHole {
            lasts: millis(dice, 200, 4000),
        },
        62..=65 => Fault::Refuse {
            lasts: millis(dice, 200, 2000),
        },
        66..=71 => Fault::Delay {
            by: millis(dice, 5, 400),
            lasts: millis(dice, 500, 3000),
        },
        72..=79 if left > CLOCK_CALM => {
            let by = match dice.between(0, 4) {
                0 => -(dice.between(500, 6_000) as i64),
                1 => dice.between(8_000, 25_000) as i64,
                _ => dice.between(200, 4_000) as i64,
            };
            let by = if *ahead + by > 40_000 { -2_000 } else { by };
            *ahead += by;
            Fault::StepClock { by }
        }
        72..=83 => Fault::SlowDisk {
            by: millis(dice, 20, 800),
            lasts: millis(dice, 500, 3000),
        },
        84..=88 => Fault::FullDisk {
            lasts: millis(dice, 300, 3000),
        },
        _ => Fault::RunAndKill {
            then: millis(dice, 0, 3000),
            and_kill_server: dice.chance(40),
        },
    }
}
