//! What commands write: bytes that follow from who writes them and where they stand, so that they need not be kept.

/// A small generator of numbers that follow from a seed, the same on every host and in every version.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. (`SplitMix64`.)
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.roll() % (most - least + 1)
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The two streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Channel {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Out, Self::Err];

    /// Its word in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
        }
    }
}

/// Everything that the command of one machine of one run ever writes to one stream.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    key: u64,
}

impl Content {
    /// The bytes of `run` on `machine`.
    pub fn new(run: &str, machine: &str, channel: Channel) -> Self {
        Self {
            key: key(&[run, machine, channel.word()]),
        }
    }

    /// The byte at `offset`.
    pub fn byte(self, offset: u64) -> u8 {
        let word = mix(self.key ^ (offset / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let byte = word.to_le_bytes()[(offset % 8) as usize];
        // Now and then a line ends.
        if byte < 6 { b'\n' } else { byte }
    }

    /// The bytes from `from` on.
    pub fn bytes(self, from: u64, count: usize) -> Vec<u8> {
        (from..from + count as u64)
            .map(|offset| self.byte(offset))
            .collect()
    }

    /// The offset of the first byte of `written` that is wrong; they stand at the beginning.
    pub fn first_wrong(self, written: &[u8]) -> Option<u64> {
        let wrong = |(offset, byte): &(u64, &u8)| self.byte(*offset) != **byte;
        (0..).zip(written).find(wrong).map(|(offset, _)| offset)
    }
}

/// A number that follows from `parts`. (FNV-1a.)
pub fn key(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_same_wherever_one_begins() {
        let content = Content::new("j_1", "m1", Channel::Out);
        let whole = content.bytes(0, 1000);
        assert_eq!(content.bytes(333, 100), whole[333..433]);
        assert_ne!(
            Content::new("j_1", "m1", Channel::Err).bytes(0, 1000),
            whole
        );
        assert_ne!(
            Content::new("j_2", "m1", Channel::Out).bytes(0, 1000),
            whole
        );
    }

    #[test]
    fn what_is_lost_doubled_or_changed_is_seen() {
        let content = Content::new("j_1", "m1", Channel::Out);
        let mut bytes = content.bytes(0, 4096);
        assert_eq!(content.first_wrong(&bytes), None);
        bytes[70] ^= 1;
        assert_eq!(content.first_wrong(&bytes), Some(70));
        let mut lost = content.bytes(0, 100);
        lost.extend(content.bytes(164, 100));
        assert!(
            content
                .first_wrong(&lost)
                .is_some_and(|at| (100..110).contains(&at))
        );
        let mut doubled = content.bytes(0, 100);
        doubled.extend(content.bytes(50, 100));
        assert!(
            content
                .first_wrong(&doubled)
                .is_some_and(|at| (100..110).contains(&at))
        );
    }

    #[test]
    fn dice_stay_the_same() {
        let mut dice = Dice::new(1);
        assert_eq!(
            [dice.roll(), dice.roll()],
            [0x910a_2dec_8902_5cc1, 0xbeeb_8da1_658e_ec67]
        );
    }
}
