//! Wrappers of several attempts of a machine.

use crate::world::{Heard, World, machine};
use saltpeter_domain::retry::{Backoff, Retry};
use saltpeter_protocol::machine::v2::{
    Encoding, Exit, FromServer, FromWrapper, OutputFrame, Progress,
};
use saltpeter_protocol::machine::{Stream, v2::LeaveReason};
use saltpeter_protocol::{Attempt, MachineOutcome, MachineState, RunId, UnixMillis};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::Duration;

/// A run whose machines are tried a second time, at once.
async fn begun(world: &World) -> RunId {
    world
        .start_changed(|spec| {
            spec.retry = Some(Retry {
                more: NonZeroU32::MIN,
                delay: Duration::from_millis(10),
                backoff: Backoff::Fixed,
            });
        })
        .await
}

async fn second_is_launched(world: &World, run: &RunId) {
    world
        .until("the second attempt", run, |detail| {
            let row = &detail.machines[0];
            row.attempt.get() == 2 && matches!(row.state, MachineState::Starting { .. })
        })
        .await;
}

async fn outputs(world: &World, run: &RunId) -> [Vec<u8>; 2] {
    let web1 = machine("web1");
    let of = |attempt| world.output_of(run, (&web1, attempt).into());
    [of(Attempt::FIRST).await, of(Attempt::after(1)).await]
}

/// A version 1 wrapper's end of a connection.
struct V1<'w> {
    world: &'w World,
    token: String,
    instance: String,
    client: crate::world::Client,
}

impl<'w> V1<'w> {
    async fn connect(world: &'w World, run: &RunId, attempt: Attempt) -> Self {
        let token = world.token(run);
        let client = world.connect_v1(Some(&token)).await;
        Self {
            world,
            token,
            instance: attempt.instance(run),
            client,
        }
    }

    async fn again(&mut self) {
        self.client = self.world.connect_v1(Some(&self.token)).await;
    }

    /// Says something and hears the ack of it.
    async fn say(&mut self, kind: &str, rest: Value) -> Value {
        let mut message = json!({
            "type": kind, "job_name": "backup", "job_instance": self.instance, "machine": "web1",
            "timestamp": "2025-11-04T10:00:00.000000+00:00"
        });
        let (Some(message_fields), Some(rest)) = (message.as_object_mut(), rest.as_object()) else {
            panic!("{rest}");
        };
        message_fields.extend(rest.clone());
        self.client.say(&message).await;
        let Heard::Text(answer) = self.client.next().await else {
            panic!("the server has closed the connection after {kind}");
        };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["type"], "ack", "{answer}");
        assert_eq!(answer["ack_type"], kind, "{answer}");
        answer
    }

    async fn work(&mut self, text: &str, retcode: i32) {
        self.say("connect", json!({})).await;
        self.say("start", json!({"pid": 4242, "version": "1.0"}))
            .await;
        self.say(
            "output",
            json!({"stream": "stdout", "data": text, "seq": 0}),
        )
        .await;
        self.say("complete", json!({"retcode": retcode, "seq": 1}))
            .await;
    }
}

#[tokio::test]
async fn version_1_wrappers_of_two_attempts_do_not_mix() {
    let world = World::new().await;
    let run = begun(&world).await;
    let mut first = V1::connect(&world, &run, Attempt::FIRST).await;
    first.work("a\n", 3).await;
    assert_eq!(
        first.client.next().await,
        Heard::Closed,
        "nothing more for it"
    );
    second_is_launched(&world, &run).await;
    // The first one says its last word again, and is heard as what it is.
    first.again().await;
    first.say("complete", json!({"retcode": 3, "seq": 1})).await;
    let mut second = V1::connect(&world, &run, Attempt::after(1)).await;
    second.say("connect", json!({})).await;
    first.say("complete", json!({"retcode": 3, "seq": 1})).await;
    second
        .say(
            "output",
            json!({"stream": "stdout", "data": "b\n", "seq": 0}),
        )
        .await;
    second
        .say("complete", json!({"retcode": 0, "seq": 1}))
        .await;
    assert_eq!(world.outcome(&run).await, MachineOutcome::Succeeded);
    assert_eq!(outputs(&world, &run).await, [b"a\n", b"b\n"]);
}

#[tokio::test]
async fn version_2_wrappers_of_two_attempts_do_not_mix() {
    let frame = |text: &'static str| {
        OutputFrame {
            stream: Stream::Stdout,
            offset: 0,
            at: UnixMillis(7),
            raw_len: text.len() as u32,
            encoding: Encoding::Raw,
            payload: text,
        }
        .encode()
    };
    let ended = |code, length| FromWrapper::Ended {
        exit: Exit::Exited { code },
        length,
        at: UnixMillis(8),
    };
    let world = World::new().await;
    let run = begun(&world).await;
    let (mut first, _) = world.hello(&run, 1, Progress::New).await;
    first.say_bytes(frame("first\n")).await;
    first.hear_durable(6).await;
    first.say(&ended(3, 6)).await;
    let last: Vec<FromServer> = first
        .until_closed()
        .await
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(last.last(), Some(&FromServer::Done));
    second_is_launched(&world, &run).await;
    let started = Progress::Started {
        pid: 1,
        at: UnixMillis(7),
    };
    let (_, answer) = world.hello(&run, 1, started).await;
    assert!(
        matches!(
            &answer,
            FromServer::Leave {
                reason: LeaveReason::AlreadyEnded,
                ..
            }
        ),
        "{answer:?}"
    );
    let (mut second, answer) = world.hello(&run, 2, Progress::New).await;
    assert!(
        matches!(
            &answer,
            FromServer::Welcome {
                durable: 0,
                command: Some(_),
                ..
            }
        ),
        "{answer:?}"
    );
    second.say_bytes(frame("second\n")).await;
    second.say(&ended(0, 7)).await;
    assert_eq!(world.outcome(&run).await, MachineOutcome::Succeeded);
    assert_eq!(
        outputs(&world, &run).await,
        [b"first\n".to_vec(), b"second\n".to_vec()]
    );
}
