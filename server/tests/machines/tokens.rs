//! For whom and for how long a run's token is good, beside what `bad_input` and the golden files show of wrong ones.

use crate::world::{Client, Heard, World};
use saltpeter_domain::run::ANSWERED_AFTER_END;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{
    Encoding, Exit, FromServer, FromWrapper, LeaveReason, OutputFrame, Progress,
};
use saltpeter_protocol::{MachineOutcome, RunId, UnixMillis};
use saltpeter_server::machines::Limits;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// For how long a connection may be silent where a test waits for that.
const SILENCE: Duration = Duration::from_secs(2);

const STARTED: Progress = Progress::Started {
    pid: 7,
    at: UnixMillis(0),
};

/// A server that does not wait long for a goodbye. It waits longer for a word than a test does for anything.
async fn hurried() -> World {
    World::with(Limits {
        goodbye_within: Duration::from_millis(100),
        over_within: Duration::from_millis(100),
        ..Limits::default()
    })
    .await
}

fn frame(offset: u64, payload: &[u8]) -> Vec<u8> {
    OutputFrame {
        stream: Stream::Stdout,
        offset,
        at: UnixMillis(0),
        raw_len: u32::try_from(payload.len()).unwrap(),
        encoding: Encoding::Raw,
        payload,
    }
    .encode()
}

/// A message of a version 1 wrapper of web1.
fn v1(run: &RunId, kind: &str, more: &Value) -> Value {
    let mut message = json!({
        "type": kind, "job_name": "backup", "job_instance": run.as_str(), "machine": "web1",
        "timestamp": "2025-11-04T10:00:00.000000+00:00"
    });
    let fields = message.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    message
}

/// Says a message and hears the answer.
async fn ask(client: &mut Client, message: &Value) -> Value {
    client.say(message).await;
    let Heard::Text(answer) = client.next().await else {
        panic!("the server has closed the connection after {message}");
    };
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn of_version_2_it_ends_with_the_outcome() {
    let world = hurried().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper
        .say(&FromWrapper::Started {
            pid: 7,
            at: UnixMillis(0),
        })
        .await;
    wrapper.say_bytes(frame(0, b"mine\n")).await;
    wrapper.hear_durable(5).await;
    let exit = Exit::Exited { code: 0 };
    wrapper
        .say(&FromWrapper::Ended {
            exit,
            length: 5,
            at: UnixMillis(0),
        })
        .await;
    assert_eq!(wrapper.hear().await, FromServer::Done);
    // One that does not hang up is shown out, whatever it goes on saying.
    wrapper.say(&FromWrapper::Heartbeat).await;
    wrapper.until_closed().await;
    wrapper.say_bytes(frame(5, b"too late\n")).await;
    for progress in [Progress::New, STARTED] {
        for wrapper in [1, 2] {
            let (mut late, answer) = world.hello(&run, wrapper, progress).await;
            let FromServer::Leave { reason, .. } = answer else {
                panic!("{answer:?}");
            };
            assert!(
                matches!(reason, LeaveReason::AlreadyEnded | LeaveReason::NotTheOne),
                "{reason:?}"
            );
            late.say_bytes(frame(5, b"too late\n")).await;
            assert!(late.until_closed().await.is_empty());
        }
    }
    assert_eq!(world.output(&run, "web1").await, b"mine\n");
    assert_eq!(world.outcome(&run).await, MachineOutcome::Succeeded);
}

#[tokio::test]
async fn of_version_1_it_ends_when_nothing_can_be_waiting_for_an_answer() {
    let world = hurried().await;
    let run = world.start_run().await;
    let token = world.token(&run);
    let mut wrapper = world.connect_v1(Some(&token)).await;
    let complete = v1(&run, "complete", &json!({"retcode": 0, "seq": 0}));
    ask(&mut wrapper, &v1(&run, "connect", &json!({}))).await;
    let answer = ask(&mut wrapper, &complete).await;
    assert_eq!(answer["ack_type"], "complete", "{answer}");
    assert!(wrapper.until_closed().await.is_empty());
    // The answer may have been lost, so the wrapper may ask again, for as long as it keeps what it has to say.
    let mut again = world.connect_v1(Some(&token)).await;
    let answer = ask(&mut again, &complete).await;
    assert_eq!(answer["ack_type"], "complete", "{answer}");
    assert!(again.until_closed().await.is_empty());
    world.pass(ANSWERED_AFTER_END + Duration::from_secs(1));
    let mut late = world.connect_v1(Some(&token)).await;
    let output = json!({"stream": "stdout", "data": "too late\n", "seq": 0});
    for message in [complete, v1(&run, "output", &output)] {
        let answer = ask(&mut late, &message).await;
        assert_eq!(answer["code"], "JOB_NOT_FOUND", "{answer}");
    }
    let sync = json!({"last_acked_seq": -1, "next_seq": 1});
    let answer = ask(&mut late, &v1(&run, "sync_request", &sync)).await;
    assert_eq!(
        answer["last_seq"], -1,
        "so that it drops what it has: {answer}"
    );
    assert_eq!(world.output(&run, "web1").await, b"");
}

#[tokio::test]
async fn a_version_1_connection_takes_over_only_from_a_dead_one() {
    let world = World::with(Limits {
        silence: SILENCE,
        ..Limits::default()
    })
    .await;
    let run = world.start_run().await;
    let token = world.token(&run);
    let mut first = world.connect_v1(Some(&token)).await;
    ask(&mut first, &v1(&run, "connect", &json!({}))).await;
    let start = json!({"pid": 1, "version": "1.0"});
    ask(&mut first, &v1(&run, "start", &start)).await;
    let mut second = world.connect_v1(Some(&token)).await;
    second
        .say(&v1(
            &run,
            "output",
            &json!({"stream": "stdout", "data": "not mine\n", "seq": 0}),
        ))
        .await;
    // While the first one lives, the second is turned away.
    let heartbeats = async {
        let mut beat = tokio::time::interval(SILENCE / 20);
        loop {
            beat.tick().await;
            first.say(&v1(&run, "heartbeat", &json!({}))).await;
        }
    };
    tokio::select! {
        said = second.until_closed() => assert!(said.is_empty(), "{said:?}"),
        () = heartbeats => {}
    }
    let output = json!({"stream": "stdout", "data": "mine\n", "seq": 0});
    let answer = ask(&mut first, &v1(&run, "output", &output)).await;
    assert_eq!(answer["ack_type"], "output", "{answer}");
    // Once it says nothing more, though its connection stands, the next one speaks for the machine.
    let mut third = world.connect_v1(Some(&token)).await;
    let answer = ask(
        &mut third,
        &v1(&run, "complete", &json!({"retcode": 3, "seq": 1})),
    )
    .await;
    assert_eq!(answer["ack_type"], "complete", "{answer}");
    assert!(first.until_closed().await.is_empty());
    assert_eq!(world.output(&run, "web1").await, b"mine\n");
    assert_eq!(
        world.outcome(&run).await,
        MachineOutcome::Failed { code: 3 }
    );
}

#[tokio::test]
async fn a_version_1_connection_that_is_closed_gives_way_at_once() {
    let world = World::new().await;
    let run = world.start_run().await;
    let token = world.token(&run);
    for _ in 0..3 {
        // Before the next one is made this one is dropped, and the server may not have noticed.
        let mut client = world.connect_v1(Some(&token)).await;
        let answer = ask(&mut client, &v1(&run, "connect", &json!({}))).await;
        assert_eq!(answer["ack_type"], "connect", "{answer}");
    }
}

#[tokio::test]
async fn it_is_kept_nowhere() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper.say_bytes(frame(0, b"something\n")).await;
    wrapper.hear_durable(10).await;
    let token = world.token(&run);
    let bytes: Vec<u8> = (0..token.len() / 2)
        .map(|at| u8::from_str_radix(&token[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(bytes.len() * 8, 256);
    let mut files = 0;
    each_file(world.dir(), &mut |path, content| {
        files += 1;
        for form in [token.as_bytes(), &bytes] {
            let is_there = content.windows(form.len()).any(|window| window == form);
            assert!(!is_there, "{}", path.display());
        }
    });
    assert!(files >= 3, "{files}");
}

fn each_file(dir: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_file(&path, look);
        } else {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}
