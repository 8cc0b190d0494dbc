//! The browser's socket, both ways, and pieces of output as the dashboard reads them.
//!
//! What is read is written as something that reads the same; identifiers that a browser may ask for are safe names.

use crate::{assert_plain, round_trip};
use saltpeter_protocol::api::OutputSlice;
use saltpeter_protocol::live::{ClientMessage, OutputPush, ServerMessage};

/// One frame, of either kind.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        asked(text);
        round_trip::<ServerMessage>(text);
    }
    if let Ok(push) = OutputPush::decode(data) {
        let written = push.encode().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(OutputPush::decode(&written).ok(), Some(push));
    }
    if let Ok(slice) = OutputSlice::decode(data) {
        let written = slice.encode().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(OutputSlice::decode(&written).ok(), Some(slice));
    }
}

fn asked(text: &str) {
    match round_trip::<ClientMessage>(text) {
        Some(ClientMessage::WatchRun { run } | ClientMessage::UnwatchRun { run }) => {
            assert_plain(run.as_str());
        }
        Some(ClientMessage::WatchOutput { run, machine, .. }) => {
            assert_plain(run.as_str());
            assert_plain(machine.as_str());
        }
        Some(ClientMessage::UnwatchOutput { .. } | ClientMessage::Ping) | None => {}
    }
}
