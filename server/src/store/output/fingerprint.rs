//! Fingerprints: which streams hold the same bytes, without reading them.
//!
//! A stream's fingerprint is a polynomial of its bytes in two unknowns that this file alone knows. It goes on from the
//! fingerprint of what was before, however that was cut, and so every block has the one of the stream up to its end. Whoever
//! does not know the unknowns cannot make two outputs that look the same. See docs/decisions/0016.

use sqlx::SqliteConnection;

/// A prime, two to the power of 61 less one: what exceeds it is added again below.
const PRIME: u64 = (1 << 61) - 1;

/// Bytes that are taken at a time.
const STEP: usize = 8;

/// The smallest unknown; smaller ones would leave short outputs as they are.
const SMALLEST: u64 = 1 << 32;

/// The fingerprint of some bytes, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(Option<[u64; 2]>);

impl Default for Fingerprint {
    /// Of no bytes.
    fn default() -> Self {
        Self(Some([0; 2]))
    }
}

impl Fingerprint {
    /// Whether it is known: not of what was written before there were fingerprints.
    pub fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// As it stands in a row.
    pub(super) fn to_row(self) -> Option<Vec<u8>> {
        self.0
            .map(|[a, b]| [a.to_le_bytes(), b.to_le_bytes()].concat())
    }

    pub(super) fn from_row(row: Option<&[u8]>) -> Self {
        Self(row.and_then(halves))
    }
}

/// The file's own unknowns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unknowns([Unknown; 2]);

impl Unknowns {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let row: Vec<u8> = sqlx::query_scalar("SELECT unknowns FROM output_fingerprint")
            .fetch_one(connection)
            .await?;
        let damaged = || sqlx::Error::Decode("the key of the fingerprints is damaged".into());
        Ok(Self::new(halves(&row).ok_or_else(damaged)?))
    }

    fn new(random: [u64; 2]) -> Self {
        Self(random.map(|random| Unknown::new(SMALLEST + random % (PRIME - SMALLEST))))
    }

    /// The fingerprint of `bytes`.
    pub(super) fn of(&self, bytes: &[u8]) -> Fingerprint {
        Fingerprint(Some([self.0[0].of(bytes), self.0[1].of(bytes)]))
    }

    /// The fingerprint of `before` and, after it, `length` bytes with the fingerprint `after`.
    pub(super) fn join(&self, before: Fingerprint, after: Fingerprint, length: u64) -> Fingerprint {
        let (Some(before), Some(after)) = (before.0, after.0) else {
            return Fingerprint(None);
        };
        let half = |n: usize| self.0[n].join(before[n], after[n], length);
        Fingerprint(Some([half(0), half(1)]))
    }
}

#[derive(Debug, Clone, Copy)]
struct Unknown {
    /// Its powers, from the first on.
    powers: [u64; STEP],
}

impl Unknown {
    fn new(value: u64) -> Self {
        let mut powers = [value; STEP];
        for n in 1..STEP {
            powers[n] = times(powers[n - 1], value);
        }
        Self { powers }
    }

    fn of(&self, bytes: &[u8]) -> u64 {
        let (eights, rest) = bytes.as_chunks::<STEP>();
        let mut state = 0;
        for eight in eights {
            state = self.after(state, eight);
        }
        self.after(state, rest)
    }

    /// Goes on from `state` by up to eight bytes.
    fn after(&self, state: u64, bytes: &[u8]) -> u64 {
        let Some(highest) = bytes.len().checked_sub(1) else {
            return state;
        };
        // Eight products of 69 bits and one of 122 fit.
        let mut sum = u128::from(state) * u128::from(self.powers[highest]);
        for (byte, power) in bytes.iter().zip(self.powers[..highest].iter().rev()) {
            sum += digit(*byte) * u128::from(*power);
        }
        reduce(sum + digit(bytes[highest]))
    }

    fn join(&self, before: u64, after: u64, length: u64) -> u64 {
        let moved = times(before, self.power(length));
        reduce(u128::from(moved) + u128::from(after))
    }

    fn power(&self, mut exponent: u64) -> u64 {
        let (mut square, mut result) = (self.powers[0], 1);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = times(result, square);
            }
            square = times(square, square);
            exponent >>= 1;
        }
        result
    }
}

/// What a byte stands for: not 0, or zeros at the beginning would not count.
fn digit(byte: u8) -> u128 {
    u128::from(byte) + 1
}

fn times(a: u64, b: u64) -> u64 {
    reduce(u128::from(a) * u128::from(b))
}

fn reduce(value: u128) -> u64 {
    let prime = u128::from(PRIME);
    let once = (value & prime) + (value >> 61);
    let twice = (once & prime) + (once >> 61);
    let reduced = twice as u64;
    if reduced >= PRIME {
        reduced - PRIME
    } else {
        reduced
    }
}

fn halves(bytes: &[u8]) -> Option<[u64; 2]> {
    let (halves, rest) = bytes.as_chunks::<8>();
    match (halves, rest) {
        ([a, b], []) => Some([u64::from_le_bytes(*a), u64::from_le_bytes(*b)]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As one would write it down.
    fn slow(unknown: u64, bytes: &[u8]) -> u64 {
        let prime = u128::from(PRIME);
        bytes.iter().fold(0, |state, byte| {
            ((u128::from(state) * u128::from(unknown) + digit(*byte)) % prime) as u64
        })
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            cut in any::<prop::sample::Index>(),
            random in any::<[u64; 2]>(),
        ) {
            let unknowns = Unknowns::new(random);
            let whole = unknowns.of(&bytes);
            let first = unknowns.0.map(|unknown| slow(unknown.powers[0], &bytes));
            prop_assert_eq!(whole.0, Some(first));
            let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
            let joined = unknowns.join(unknowns.of(before), unknowns.of(after), after.len() as u64);
            prop_assert_eq!(joined, whole);
            prop_assert_eq!(Fingerprint::from_row(whole.to_row().as_deref()), whole);
        }
    }

    #[test]
    fn what_differs_looks_different() {
        let unknowns = Unknowns::new([1_234_567_890_123, 987_654_321_987]);
        let outputs: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"b", b"ab", b"ba"];
        for (n, one) in outputs.iter().enumerate() {
            for other in &outputs[n + 1..] {
                assert_ne!(unknowns.of(one), unknowns.of(other), "{one:?} {other:?}");
            }
        }
        let unknown = Fingerprint(None);
        assert_eq!(unknowns.join(unknown, unknowns.of(b"a"), 1), unknown);
    }
}
