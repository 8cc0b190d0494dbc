//! Searching output, line by line and in bounded memory.
//!
//! What is searched is each line as the dashboard shows it ([`shown`]): without escape sequences, so that a colour in the
//! middle of a word hides nothing, and with `\r` progress as it stands in the end. A hit lies within one line.

mod pattern;
mod scan;
mod text;

pub use pattern::{MAX_PATTERN, Pattern, PatternError};
pub use scan::{MAX_LINE, Scan, Wanted};
pub use text::shown;

#[cfg(test)]
mod proptests;
