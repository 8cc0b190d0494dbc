//! An ack never comes before its commit.

use crate::v2::frame;
use crate::world::{Client, Heard, World};
use saltpeter_protocol::machine::v2::Progress;
use saltpeter_server::store::faults::CommitFailure;
use serde_json::{Value, json};
use std::time::Duration;

/// As long as a wrong ack would take to come, many times over.
const LONG: Duration = Duration::from_millis(300);

/// The next ack of output.
async fn output_ack(client: &mut Client) -> Value {
    loop {
        let Heard::Text(text) = client.next().await else {
            panic!("the server has closed the connection");
        };
        let message: Value = serde_json::from_str(&text).unwrap();
        let of_output = message["ack_type"]
            .as_str()
            .is_none_or(|kind| kind == "output");
        if message["type"] == "ack" && of_output {
            return message;
        }
    }
}

#[tokio::test]
async fn version_2_is_told_of_nothing_that_is_not_durable() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    world.faults().set_failure(Some(CommitFailure::Full));
    wrapper.say_bytes(frame(0, b"one\n")).await;
    let early = tokio::time::timeout(LONG, output_ack(&mut wrapper)).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(world.output(&run, "web1").await, b"");
    world.faults().set_failure(None);
    assert_eq!(output_ack(&mut wrapper).await["durable"], 4);
    assert_eq!(world.output(&run, "web1").await, b"one\n");
    // A slow commit is waited for.
    world.faults().set_commit_delay(LONG * 2);
    wrapper.say_bytes(frame(4, b"two\n")).await;
    let early = tokio::time::timeout(LONG, output_ack(&mut wrapper)).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(output_ack(&mut wrapper).await["durable"], 8);
    assert_eq!(world.output(&run, "web1").await, b"one\ntwo\n");
}

#[tokio::test]
async fn version_1_is_told_of_nothing_that_is_not_durable() {
    let world = World::new().await;
    let run = world.start_run().await;
    let mut wrapper = world.connect_v1(Some(&world.token(&run))).await;
    let say = |kind: &str, more: Value| {
        let mut message = json!({"type": kind, "job_name": "backup", "job_instance": run,
            "machine": "web1", "timestamp": "2025-11-04T10:00:00+00:00"});
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        message
    };
    wrapper.say(&say("connect", json!({}))).await;
    wrapper.say(&say("start", json!({"pid": 42}))).await;
    world.faults().set_failure(Some(CommitFailure::ReadOnly));
    let output = json!({"stream": "stdout", "data": "one\n", "seq": 0});
    wrapper.say(&say("output", output)).await;
    let early = tokio::time::timeout(LONG, output_ack(&mut wrapper)).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(world.output(&run, "web1").await, b"");
    world.faults().set_failure(None);
    assert_eq!(output_ack(&mut wrapper).await["seq"], 0);
    assert_eq!(world.output(&run, "web1").await, b"one\n");
}
