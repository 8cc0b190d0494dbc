//! Lines of output: searched for, merged of several machines, grouped by what is the same.

use super::OutputLength;
use crate::attempt::Attempt;
use crate::ids::MachineId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// What is searched for in one machine's output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SearchQuery {
    /// The text, or the regular expression.
    pub q: String,
    /// Whether it is a regular expression.
    #[serde(default)]
    pub regex: bool,
    /// Whether small letters and capitals are told apart.
    #[serde(default)]
    pub case: bool,
    /// The line to begin at, counted from 0.
    #[serde(default)]
    pub line: u64,
    /// Leaves out so many hits from there on, and ends with the hits that are asked for. Without it a step counts on
    /// until its time is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<u64>,
    /// The most hits that are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Which of the machine's attempts; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SearchHit {
    /// The line, counted from 0.
    pub line: u64,
    /// First byte of the hit in the line as it is shown, in UTF-8.
    pub from: u32,
    /// The byte after its last.
    pub to: u32,
}

/// A search, one step further. Whoever wants all of it asks again from `next` on until there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchStep {
    /// The first hits.
    pub hits: Vec<SearchHit>,
    /// All hits of this step, those that were left out or are not told included.
    pub count: u64,
    /// The line to go on with; `None` at the end of the output.
    pub next: Option<u64>,
    /// Offset up to which the output has been searched.
    pub searched: u64,
    /// The whole output's length.
    pub total: OutputLength,
    /// Lines so long that only their beginning was searched.
    #[serde(default)]
    pub long_lines: u64,
}

/// Which way a page of lines goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The lines before the position.
    #[default]
    Before,
    /// Those after it.
    After,
}

/// Which lines of a run's machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinesQuery {
    /// The machines, between spaces, which none has in its name. One shows its lines, several are merged by time.
    pub machines: String,
    /// Which attempt, where there is one machine; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Only lines of which something was written to standard error.
    #[serde(default)]
    pub stderr: bool,
    /// A position: a line number for each machine, between commas; the end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Which way from there.
    #[serde(default)]
    pub reading: Reading,
    /// The most lines that are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Lines of one or several machines, by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesPage {
    /// The machines.
    pub machines: Vec<MachineId>,
    /// The lines, oldest first.
    pub lines: Vec<MergedLine>,
    /// Position before the first line: number of each machine's next line.
    pub before: Vec<u64>,
    /// Whether there may be lines before it.
    pub has_before: bool,
    /// Position after the last line.
    pub after: Vec<u64>,
    /// Whether there may be lines after it.
    pub has_after: bool,
}

/// A line among those of other machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedLine {
    /// Which of the page's machines.
    pub machine: usize,
    /// Its number in that machine's output, counted from 0.
    pub number: u64,
    /// When its first byte was written, by the machine's clock.
    pub at: UnixMillis,
    /// Whether any of it came from standard error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stderr: bool,
    /// Its text with its escape sequences, without its line feed. What is not UTF-8 is replaced.
    pub text: String,
    /// Whether it is longer than what is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Position as it stands in an address.
pub fn write_position(lines: &[u64]) -> String {
    let numbers: Vec<String> = lines.iter().map(u64::to_string).collect();
    numbers.join(",")
}

/// Reads a position; `None` when it is none.
pub fn read_position(text: &str) -> Option<Vec<u64>> {
    text.split(',').map(|number| number.parse().ok()).collect()
}

/// Machines of a run whose output is the same, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameOutput {
    /// How much each of them has written.
    pub length: OutputLength,
    /// The machines, by name.
    pub machines: Vec<MachineId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back() {
        assert_eq!(read_position(&write_position(&[7])), Some(vec![7]));
        assert_eq!(read_position(&write_position(&[0, 12])), Some(vec![0, 12]));
        for bad in ["", ",", "1,", "a", "-1"] {
            assert_eq!(read_position(bad), None, "{bad}");
        }
    }
}
