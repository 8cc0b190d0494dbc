//! Conversations in version 2.

use crate::world::{World, hello, machine, soon};
use saltpeter_domain::RunSpec;
use saltpeter_domain::secret::SecretSource;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::{
    Encoding, Exit, Feature, FromServer, FromWrapper, LeaveReason, OutputFrame, Progress,
    RefusedCode,
};
use saltpeter_protocol::{MachineOutcome, UnixMillis};

const STARTED: Progress = Progress::Started {
    pid: 42,
    at: UnixMillis(0),
};

pub(crate) fn frame(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let frame = OutputFrame {
        stream: Stream::Stdout,
        offset,
        at: UnixMillis(0),
        raw_len: bytes.len() as u32,
        encoding: Encoding::Raw,
        payload: bytes,
    };
    frame.encode()
}

fn started() -> FromWrapper {
    FromWrapper::Started {
        pid: 42,
        at: UnixMillis(0),
    }
}

fn ended(exit: Exit, length: u64) -> FromWrapper {
    FromWrapper::Ended {
        exit,
        length,
        at: UnixMillis(0),
    }
}

const WELL: Exit = Exit::Exited { code: 0 };

#[tokio::test]
async fn from_hello_to_done() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, answer) = world.hello(&run, 1, Progress::New).await;
    let FromServer::Welcome {
        command: Some(command),
        durable: 0,
        kill: false,
        ..
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!(command.command, "echo hello");

    wrapper.say(&started()).await;
    wrapper.say(&FromWrapper::Heartbeat).await;
    wrapper.say_bytes(frame(0, b"one\n")).await;
    wrapper.hear_durable(4).await;
    let long = b"two\n".repeat(1000);
    let packed = OutputFrame {
        stream: Stream::Stderr,
        offset: 4,
        at: UnixMillis(0),
        raw_len: long.len() as u32,
        encoding: Encoding::Zstd,
        payload: zstd::bulk::compress(&long, 1).unwrap(),
    };
    wrapper.say_bytes(packed.encode()).await;
    wrapper.hear_durable(4004).await;
    wrapper.say(&ended(WELL, 4004)).await;
    assert_eq!(wrapper.hear().await, FromServer::Done);
    assert_eq!(world.outcome(&run).await, MachineOutcome::Succeeded);
    let expected = [b"one\n".as_slice(), &long].concat();
    assert_eq!(world.output(&run, "web1").await, expected);
    assert_eq!(world.count("output_messages"), 2);
    assert_eq!(world.count("bad_messages"), 0);
}

#[tokio::test]
async fn a_reconnection_goes_on_where_the_log_ends() {
    let mut world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper.say(&started()).await;
    wrapper.say_bytes(frame(0, b"abc")).await;
    wrapper.hear_durable(3).await;

    let (mut again, answer) = world.hello(&run, 1, STARTED).await;
    let FromServer::Welcome {
        command: None,
        durable: 3,
        ..
    } = answer
    else {
        panic!("{answer:?}");
    };
    // The old connection is closed.
    assert!(wrapper.until_closed().await.is_empty());

    // What is repeated is acknowledged again and not written again.
    again.say_bytes(frame(1, b"bc")).await;
    again.hear_durable(3).await;
    again.say_bytes(frame(2, b"cde")).await;
    again.hear_durable(5).await;

    world.restart().await;
    let (mut again, answer) = world.hello(&run, 1, STARTED).await;
    assert!(
        matches!(answer, FromServer::Welcome { durable: 5, .. }),
        "{answer:?}"
    );
    again.say_bytes(frame(5, b"f")).await;
    again.say(&ended(Exit::Exited { code: 7 }, 6)).await;
    again.hear_durable(6).await;
    assert_eq!(again.hear().await, FromServer::Done);
    assert_eq!(
        world.outcome(&run).await,
        MachineOutcome::Failed { code: 7 }
    );
    assert_eq!(world.output(&run, "web1").await, b"abcdef");

    // The answer was lost: there is nothing left to say.
    let (_, answer) = world.hello(&run, 1, STARTED).await;
    let FromServer::Leave { reason, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(reason, LeaveReason::AlreadyEnded);
}

#[tokio::test]
async fn a_gap_is_refused_and_the_wrapper_told_where_to_go_on() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper.say_bytes(frame(0, b"abc")).await;
    wrapper.hear_durable(3).await;
    wrapper.say_bytes(frame(5, b"fgh")).await;
    let FromServer::Refused { code, .. } = wrapper.hear().await else {
        panic!();
    };
    assert_eq!(code, RefusedCode::OutOfOrder);
    assert_eq!(wrapper.hear().await, FromServer::Ack { durable: 3 });
    // The end is not believed before its output.
    wrapper.say(&ended(WELL, 8)).await;
    let FromServer::Refused { code, .. } = wrapper.hear().await else {
        panic!();
    };
    assert_eq!(code, RefusedCode::OutOfOrder);
    wrapper.hear_durable(3).await;
    wrapper.say_bytes(frame(3, b"defgh")).await;
    wrapper.say(&ended(WELL, 8)).await;
    wrapper.hear_durable(8).await;
    assert_eq!(wrapper.hear().await, FromServer::Done);
    assert_eq!(world.output(&run, "web1").await, b"abcdefgh");
    assert_eq!(world.count("out_of_order"), 2);
}

#[tokio::test]
async fn a_kill_lands_at_once_and_after_a_reconnection() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper.say(&started()).await;
    world.kill(&run).await;
    assert_eq!(wrapper.hear().await, FromServer::Kill);
    let (mut again, answer) = world.hello(&run, 1, STARTED).await;
    assert!(
        matches!(answer, FromServer::Welcome { kill: true, .. }),
        "{answer:?}"
    );
    again.say(&ended(Exit::Killed, 0)).await;
    assert_eq!(again.hear().await, FromServer::Done);
    assert_eq!(world.outcome(&run).await, MachineOutcome::Killed);
}

#[tokio::test]
async fn a_second_wrapper_for_a_machine_is_told_to_leave() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut first, _) = world.hello(&run, 1, Progress::New).await;
    first.say(&started()).await;
    for progress in [Progress::New, STARTED] {
        let (mut second, answer) = world.hello(&run, 2, progress).await;
        let FromServer::Leave { reason, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(reason, LeaveReason::NotTheOne);
        assert!(second.until_closed().await.is_empty());
    }
    assert_eq!(world.count("refused_leave"), 2);
    // The first one is not disturbed.
    first.say(&ended(WELL, 0)).await;
    assert_eq!(first.hear().await, FromServer::Done);
}

#[tokio::test]
async fn a_command_that_cannot_start_is_reported() {
    let world = World::new().await;
    let run = world.start_run().await;
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    let message = "no user named \"nobody2\"".to_owned();
    wrapper
        .say(&FromWrapper::CannotStart {
            message: message.clone(),
        })
        .await;
    assert_eq!(wrapper.hear().await, FromServer::Done);
    let outcome = world.outcome(&run).await;
    assert_eq!(outcome.exit_code(), Some(254));
    assert_eq!(outcome.message(), Some(message.as_str()));
}

#[tokio::test]
async fn machines_of_a_run_do_not_mix() {
    let world = World::new().await;
    let run = world.start_run().await;
    let token = world.token(&run);
    let mut wrappers = Vec::new();
    for (name, byte) in [("web1", b'1'), ("web2", b'2')] {
        let mut wrapper = world.connect_v2(Some(&token)).await;
        wrapper
            .say(&hello(&run, name, u64::from(byte), Progress::New))
            .await;
        assert!(matches!(wrapper.hear().await, FromServer::Welcome { .. }));
        wrappers.push((wrapper, name, byte));
    }
    for round in 0..20_u64 {
        for (wrapper, _, byte) in &mut wrappers {
            wrapper.say_bytes(frame(round * 3, &[*byte; 3])).await;
        }
    }
    for (wrapper, name, byte) in &mut wrappers {
        wrapper.hear_durable(60).await;
        assert_eq!(world.output(&run, name).await, [*byte; 60]);
    }
}

#[tokio::test]
async fn a_reader_is_woken_when_output_is_durable() {
    let world = World::new().await;
    let run = world.start_run().await;
    let stream = world.log().stream(&run, &machine("web1")).await.unwrap();
    let mut watch = stream.watch();
    let (mut wrapper, _) = world.hello(&run, 1, Progress::New).await;
    wrapper.say_bytes(frame(0, b"one\n")).await;
    let durable = soon("the wake-up", watch.wait_for(|d| d.length.bytes == 4)).await;
    assert_eq!(durable.unwrap().length.lines, 1);
}

#[tokio::test]
async fn secrets_go_to_wrappers_that_mask_them_and_to_no_others() {
    let world = World::new().await;
    // A variable that every test has.
    let source = SecretSource::Env("CARGO_MANIFEST_DIR".to_owned());
    let with_secret = |spec: &mut RunSpec| {
        spec.secrets.insert("HERE".to_owned(), source.clone());
    };
    let run = world.start_changed(with_secret).await;
    let mut able = world.connect_v2(Some(&world.token(&run))).await;
    let mut said = hello(&run, "web1", 1, Progress::New);
    if let FromWrapper::Hello { features, .. } = &mut said {
        features.push(Feature::Secrets);
    }
    able.say(&said).await;
    let FromServer::Welcome {
        command: Some(command),
        ..
    } = able.hear().await
    else {
        panic!("expected a welcome");
    };
    assert_eq!(command.secrets["HERE"], env!("CARGO_MANIFEST_DIR"));
    assert!(command.env.is_empty());

    // The same wrapper, once its command runs, has them already.
    able.say(&started()).await;
    drop(able);
    let (_, answer) = world.hello(&run, 1, STARTED).await;
    assert!(
        matches!(answer, FromServer::Welcome { command: None, .. }),
        "{answer:?}"
    );

    let old = world.start_changed(with_secret).await;
    let (_, answer) = world.hello(&old, 2, Progress::New).await;
    let FromServer::Leave {
        reason: LeaveReason::AlreadyEnded,
        message,
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert!(message.contains("version 0.1.0"), "{message}");
    assert!(
        matches!(
            world.outcome(&old).await,
            MachineOutcome::StartFailed { message: told, .. } if told == message
        ),
        "the outcome has the reason"
    );
}
