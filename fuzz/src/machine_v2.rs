//! Control messages of version 2, both ways.
//!
//! What is read is written as something that reads the same; identifiers that are let through are safe names.

use crate::{assert_plain, round_trip};
use saltpeter_protocol::machine::v2::{FromServer, FromWrapper};

/// One text frame.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    round_trip::<FromServer>(text);
    if let Some(FromWrapper::Hello {
        job, run, machine, ..
    }) = round_trip(text)
    {
        assert_plain(job.as_str());
        assert_plain(run.as_str());
        assert_plain(machine.as_str());
    }
}
