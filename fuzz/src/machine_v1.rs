//! Messages of wrappers of the earlier kind, and what such a wrapper hears.
//!
//! What is read is written as something that reads the same; a message that names a run and a machine is refused or names
//! them by safe names.

use crate::{assert_plain, round_trip};
use saltpeter_protocol::machine::v1::{FromServer, FromWrapper, read};
use saltpeter_protocol::{MachineId, RunId};
use serde_json::Value;

/// One text frame.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    round_trip::<FromServer>(text);
    let Ok((envelope, message)) = read(text) else {
        return;
    };
    if let Ok(run) = RunId::new(envelope.job_instance.clone()) {
        assert_plain(run.as_str());
    }
    if let Ok(machine) = MachineId::new(envelope.machine.clone()) {
        assert_plain(machine.as_str());
    }
    // As a wrapper sends them: the fields of both in one object.
    let (Ok(Value::Object(mut whole)), Ok(Value::Object(rest))) = (
        serde_json::to_value(&envelope),
        serde_json::to_value(&message),
    ) else {
        panic!("{envelope:?} {message:?} are no objects");
    };
    whole.extend(rest);
    let whole = Value::Object(whole).to_string();
    match read(&whole) {
        Ok(again) => assert_eq!(again, (envelope, message), "by way of {whole}"),
        Err(error) => panic!("{whole} was written from {text} and is refused: {error}"),
    }
    assert!(round_trip::<FromWrapper>(&whole).is_some());
}
