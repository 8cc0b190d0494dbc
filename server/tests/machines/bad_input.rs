//! Whatever comes in on the machines port gets its answer, is counted, and harms nobody else.

use crate::v2::frame;
use crate::world::{Client, World, hello, soon};
use saltpeter_protocol::machine::v2::{
    FromServer, FromWrapper, LeaveReason, MAX_FRAME, Progress, RefusedCode,
};
use saltpeter_protocol::{MachineOutcome, RunId};
use saltpeter_server::machines::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Another wrapper, which must not notice anything.
struct Bystander {
    client: Client,
    sent: u64,
}

impl Bystander {
    async fn of(world: &World, run: &RunId) -> Self {
        let mut client = world.connect_v2(Some(&world.token(run))).await;
        client.say(&hello(run, "web2", 99, Progress::New)).await;
        assert!(matches!(client.hear().await, FromServer::Welcome { .. }));
        Self { client, sent: 0 }
    }

    async fn is_well(&mut self) {
        self.client.say_bytes(frame(self.sent, b"well\n")).await;
        self.sent += 5;
        self.client.hear_durable(self.sent).await;
    }
}

async fn refused(client: &mut Client) -> RefusedCode {
    match client.hear().await {
        FromServer::Refused { code, message } => {
            assert!(!message.is_empty());
            code
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_does_not_say_what_it_wants_is_cut_off() {
    let limits = Limits {
        hello_within: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    for said in ["", "GET / HTTP/1.1\r\nHost: here\r\nUpgr"] {
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon("the connection's end", stream.read_to_end(&mut answer))
            .await
            .unwrap();
    }
    let run = world.start_run().await;
    let mut bystander = Bystander::of(&world, &run).await;
    bystander.is_well().await;
}

#[tokio::test]
async fn wrong_tokens_and_unknown_runs_learn_nothing() {
    let world = World::new().await;
    let run = world.start_run().await;
    let other = RunId::new("backup_9").unwrap();
    let mut bystander = Bystander::of(&world, &run).await;
    let right = world.token(&run);
    let zeros = "0".repeat(64);
    // A token is of one run alone.
    for (token, of) in [
        (None, &run),
        (Some(zeros.as_str()), &run),
        (Some("short"), &run),
        (Some(right.as_str()), &other),
        (Some(world.token(&other).as_str()), &other),
    ] {
        let mut client = world.connect_v2(token).await;
        client.say(&hello(of, "web1", 1, Progress::New)).await;
        let FromServer::Leave { reason, .. } = client.hear().await else {
            panic!("{token:?}");
        };
        assert_eq!(reason, LeaveReason::NotKnown);
        assert!(client.until_closed().await.is_empty());
    }
    assert_eq!(world.count("refused_token"), 4);
    assert_eq!(world.count("refused_unknown"), 1);

    let mut client = world.connect_v2(Some(&right)).await;
    client.say(&hello(&run, "db9", 1, Progress::New)).await;
    assert!(matches!(
        client.hear().await,
        FromServer::Leave {
            reason: LeaveReason::NotKnown,
            ..
        }
    ));
    assert_eq!(world.count("refused_unknown"), 2);
    bystander.is_well().await;
}

#[tokio::test]
async fn the_first_message_is_hello() {
    let world = World::new().await;
    let run = world.start_run().await;
    let mut bystander = Bystander::of(&world, &run).await;
    let mut client = world.connect_v2(Some(&world.token(&run))).await;
    client.say_bytes(frame(0, b"x")).await;
    assert_eq!(refused(&mut client).await, RefusedCode::HelloFirst);
    client.say(&FromWrapper::Heartbeat).await;
    assert_eq!(refused(&mut client).await, RefusedCode::HelloFirst);
    client.say_text("{".to_owned()).await;
    assert_eq!(refused(&mut client).await, RefusedCode::BadMessage);
    // Of a later version: ignored.
    client.say_text(r#"{"type":"greetings"}"#.to_owned()).await;
    client.say(&hello(&run, "web1", 1, Progress::New)).await;
    assert!(matches!(client.hear().await, FromServer::Welcome { .. }));
    client.say(&hello(&run, "web1", 1, Progress::New)).await;
    assert_eq!(refused(&mut client).await, RefusedCode::BadMessage);
    assert_eq!(world.count("bad_messages"), 4);
    assert_eq!(world.count("unknown_messages"), 1);
    assert!(world.output(&run, "web1").await.is_empty());
    bystander.is_well().await;
}

#[tokio::test]
async fn bad_messages_are_refused_and_ten_in_a_row_close() {
    let world = World::new().await;
    let run = world.start_run().await;
    let mut bystander = Bystander::of(&world, &run).await;
    let (mut client, _) = world.hello(&run, 1, Progress::New).await;
    let bad: [Vec<u8>; 5] = [
        vec![],
        vec![1],
        {
            let mut flags = frame(0, b"x");
            flags[1] = 0x80;
            flags
        },
        {
            let mut longer = frame(0, b"x");
            longer[2] = 9;
            longer
        },
        {
            let mut packed = frame(0, b"not zstd");
            packed[1] = 2;
            packed
        },
    ];
    for bytes in bad {
        client.say_bytes(bytes).await;
        assert_eq!(refused(&mut client).await, RefusedCode::BadMessage);
    }
    for text in [
        "",
        "[]",
        r#"{"type":"ended"}"#,
        r#"{"type":"started","pid":-1}"#,
    ] {
        client.say_text(text.to_owned()).await;
        assert_eq!(
            refused(&mut client).await,
            RefusedCode::BadMessage,
            "{text}"
        );
    }
    // A kind of a later version is ignored, and a good message ends the row.
    client
        .say_bytes([&[9_u8][..], &frame(0, b"x")[1..]].concat())
        .await;
    client.say_bytes(frame(0, b"ok")).await;
    client.hear_durable(2).await;
    for _ in 0..10 {
        client.say_text("?".to_owned()).await;
        assert_eq!(refused(&mut client).await, RefusedCode::BadMessage);
    }
    assert!(client.until_closed().await.is_empty());
    assert_eq!(world.count("bad_messages"), 19);
    assert_eq!(world.count("closed_bad"), 1);
    bystander.is_well().await;

    // It may come again.
    let (_, answer) = world.hello(&run, 1, Progress::New).await;
    assert!(
        matches!(answer, FromServer::Welcome { durable: 2, .. }),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_huge_frame_ends_its_connection_alone() {
    let world = World::new().await;
    let run = world.start_run().await;
    let mut bystander = Bystander::of(&world, &run).await;
    let (mut client, _) = world.hello(&run, 1, Progress::New).await;
    client.say_bytes(vec![1; MAX_FRAME + 1]).await;
    client.until_closed().await;
    let mut old = world.connect_v1(Some(&world.token(&run))).await;
    old.say_text(format!("{{{}}}", " ".repeat(MAX_FRAME))).await;
    old.until_closed().await;
    assert_eq!(world.count("broken_connections"), 2);
    bystander.is_well().await;
}

#[tokio::test]
async fn whoever_says_nothing_is_shown_out() {
    let limits = Limits {
        hello_within: Duration::from_millis(100),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let mut new = world.connect_v2(None).await;
    let mut old = world.connect_v1(None).await;
    assert!(new.until_closed().await.is_empty());
    assert!(old.until_closed().await.is_empty());
    assert_eq!(world.count("refused_silent"), 2);
}

#[tokio::test]
async fn whoever_falls_silent_is_shown_out() {
    let limits = Limits {
        silence: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let run = world.start_run().await;
    let (mut new, _) = world.hello(&run, 1, Progress::New).await;
    assert!(new.until_closed().await.is_empty());
    // It may come again.
    let (_, answer) = world.hello(&run, 1, Progress::New).await;
    assert!(matches!(answer, FromServer::Welcome { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_full_house_turns_wrappers_away_until_there_is_room() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let run = world.start_run().await;
    let (client, _) = world.hello(&run, 1, Progress::New).await;
    assert!(world.hub().seat().is_none());
    assert_eq!(world.count("refused_full"), 1);
    drop(client);
    crate::world::soon("room", async {
        while world.hub().seat().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrapper_that_does_not_read_is_cut_off_alone() {
    let limits = Limits {
        write_within: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let run = world.start_run().await;
    let mut bystander = Bystander::of(&world, &run).await;
    let (mut client, _) = world.hello(&run, 1, Progress::New).await;
    client.say_bytes(frame(0, b"x")).await;
    // Each repetition is acknowledged again; nobody reads that.
    let repetition = frame(0, b"x");
    crate::world::soon("the cut", async {
        while world.count("closed_slow") == 0 {
            client.say_bytes(repetition.clone()).await;
        }
    })
    .await;
    bystander.is_well().await;
    let (mut again, _) = world.hello(&run, 1, Progress::New).await;
    let ended = FromWrapper::Ended {
        exit: saltpeter_protocol::machine::v2::Exit::Exited { code: 0 },
        length: 1,
        at: saltpeter_protocol::UnixMillis(0),
    };
    again.say(&ended).await;
    assert_eq!(again.hear().await, FromServer::Done);
    assert_eq!(world.outcome(&run).await, MachineOutcome::Succeeded);
}
