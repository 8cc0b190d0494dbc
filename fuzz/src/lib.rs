//! What untrusted input is put through.
//!
//! Each module is a target: `check` takes any bytes, hands them to the code that meets them in production, and panics if
//! what comes out breaks a promise. The fuzzer calls it (`cargo xtask fuzz`), and so do the tests, with every input in
//! `corpus/` and `crashes/`. A target promises more than not to crash: see the head of each.
//!
//! An input has [`MAX_INPUT`] bytes at most. `check` takes a time and a memory that follow from its length: the fuzzer bounds the
//! memory, and the tests hold it to [`LIMIT`].

pub mod ansi;
pub mod browser;
pub mod config;
pub mod cron;
pub mod crontab;
pub mod machine_frame;
pub mod machine_v1;
pub mod machine_v2;
pub mod targets;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// Bytes that the fuzzer makes an input of, at most.
pub const MAX_INPUT: usize = 4096;

/// Processor time that one input may take, in a build that is not optimised.
pub const LIMIT: Duration = Duration::from_secs(2);

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them. The name is that of the directories with its inputs, too.
pub const TARGETS: [Target; 9] = [
    ("ansi", ansi::check),
    ("browser", browser::check),
    ("config", config::check),
    ("cron", cron::check),
    ("crontab", crontab::check),
    ("machine_frame", machine_frame::check),
    ("machine_v1", machine_v1::check),
    ("machine_v2", machine_v2::check),
    ("targets", targets::check),
];

/// Reads `text` as a message. What was read must be written as something that reads the same.
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> Option<T> {
    let message: T = serde_json::from_str(text).ok()?;
    let written = serde_json::to_string(&message).unwrap_or_else(|error| {
        panic!("{message:?} was read and cannot be written: {error}");
    });
    match serde_json::from_str::<T>(&written) {
        Ok(again) => assert_eq!(again, message, "by way of {written}"),
        Err(error) => panic!("{message:?} is written as {written}, which is refused: {error}"),
    }
    Some(message)
}

/// Whether `name` can be a file's name and a part of an address: what every identifier promises.
fn assert_plain(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
    assert!(name != "." && name != "..", "{name:?}");
    let bad = |c: char| c == '/' || c == '\0' || c.is_control() || c.is_whitespace();
    assert!(!name.contains(bad), "{name:?}");
}
