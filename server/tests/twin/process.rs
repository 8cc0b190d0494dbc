//! A command as it behaves: it writes, takes its time, ends by itself or when it is struck.

use crate::dice::Dice;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Exit;
use saltpeter_wrapper::core::kill::Strike;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

enum Act {
    Write(Stream, usize),
    Exit(Exit),
}

pub(crate) struct Process {
    script: VecDeque<(Instant, Act)>,
    /// What was written and not read.
    pub(crate) pipe: VecDeque<(Stream, Vec<u8>)>,
    pub(crate) exit: Option<Exit>,
    ignores_term: bool,
    content: Dice,
}

impl Process {
    pub(crate) fn begin(dice: &mut Dice) -> Self {
        let begun = Instant::now();
        let mut script = VecDeque::new();
        let (lasts, writes, longest) = match dice.between(0, 100) {
            0..50 => (dice.millis(20, 3000), dice.between(0, 4), 300),
            50..80 => (dice.millis(3000, 25_000), dice.between(1, 8), 3000),
            80..85 => (dice.millis(50, 2000), 3, 200_000),
            85 => (dice.millis(500, 2000), 12, 600_000),
            _ => (Duration::from_secs(1200), 20, 300),
        };
        let mut times: Vec<Duration> = (0..writes)
            .map(|_| dice.millis(0, lasts.as_millis() as u64))
            .collect();
        times.sort();
        for at in times {
            let stream = dice.pick(&[Stream::Stdout, Stream::Stdout, Stream::Stderr]);
            let len = dice.between(1, longest) as usize;
            script.push_back((begun + at, Act::Write(stream, len)));
        }
        let code = dice.pick(&[0, 0, 0, 0, 1, 3]);
        let exit = if dice.one_in(20) {
            Exit::Signalled { signal: 11 }
        } else {
            Exit::Exited { code }
        };
        script.push_back((begun + lasts, Act::Exit(exit)));
        Self {
            script,
            pipe: VecDeque::new(),
            exit: None,
            ignores_term: dice.one_in(5),
            content: Dice::new(dice.next()),
        }
    }

    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        while self.script.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, act)) = self.script.pop_front()
        {
            match act {
                Act::Write(stream, len) => {
                    let word = self.content.next().to_le_bytes();
                    let mut bytes = word.repeat(len / 8 + 1);
                    bytes.truncate(len);
                    self.pipe.push_back((stream, bytes));
                }
                Act::Exit(exit) => self.exits(exit),
            }
        }
    }

    fn exits(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.script.clear();
    }

    /// When it does something next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.script.front().map(|(at, _)| *at)
    }

    /// Reads up to `space` bytes.
    pub(crate) fn read(&mut self, space: usize) -> Option<(Stream, Vec<u8>)> {
        let (stream, bytes) = self.pipe.front_mut()?;
        let stream = *stream;
        if bytes.len() <= space {
            return self.pipe.pop_front();
        }
        let rest = bytes.split_off(space);
        Some((stream, std::mem::replace(bytes, rest)))
    }

    pub(crate) fn strike(&mut self, strike: Strike, dice: &mut Dice) {
        if self.exit.is_some() {
            return;
        }
        match strike {
            Strike::Terminate if !self.ignores_term => {
                let now = Instant::now();
                let words = dice.between(1, 200) as usize;
                self.script.clear();
                self.script
                    .push_back((now, Act::Write(Stream::Stderr, words)));
                let exit = dice.pick(&[Exit::Signalled { signal: 15 }, Exit::Exited { code: 0 }]);
                let at = now + dice.millis(0, 2000);
                self.script.push_back((at, Act::Exit(exit)));
            }
            Strike::Kill => self.exits(Exit::Signalled { signal: 9 }),
            Strike::Terminate | Strike::GiveUp => {}
        }
    }
}
