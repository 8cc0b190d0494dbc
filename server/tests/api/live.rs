//! The browser's socket, and what reaches it.

use crate::world::{Heard, World};
use saltpeter_protocol::MachineId;
use saltpeter_protocol::live::{ClientMessage, Event, ServerMessage};
use std::collections::BTreeSet;

const JOBS: &str = "
talk~:
  schedule: '@yearly'
  command: 'printf one; sleep 0.3; echo two; seq 1 20000; echo end'
  targets: web1
";

const TICK: &str = "
tick~:
  schedule: '* * * * * *'
  command: 'true'
  targets: db1
";

fn is_job(message: &ServerMessage, name: &str) -> bool {
    matches!(message, ServerMessage::Event { event: Event::Job { job }, .. } if job.name.as_str() == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_come_in_parts_before_their_snapshot() {
    let jobs = (0..1_100)
        .map(|n| format!("many{n}~: {{schedule: '@yearly', targets: '*', command: 'true'}}\n"));
    let world = World::new(&[("many.yaml", &jobs.collect::<String>())]).await;
    let mut socket = world.socket().await;
    let (mut parts, mut names) = (Vec::new(), BTreeSet::new());
    loop {
        let Heard::State(message) = socket.next().await else {
            panic!("output before state");
        };
        let (jobs, is_last) = match *message {
            ServerMessage::Jobs { jobs } => (jobs, false),
            ServerMessage::Snapshot { overview, .. } => (overview.jobs, true),
            other => panic!("{other:?}"),
        };
        parts.push(jobs.len());
        names.extend(jobs.into_iter().map(|job| job.name));
        if is_last {
            break;
        }
    }
    assert_eq!(
        (parts.as_slice(), names.len()),
        (&[500, 500, 100][..], 1_100)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn state_comes_as_a_snapshot_and_events_after_it() {
    let world = World::new(&[("tick.yaml", TICK)]).await;
    let mut socket = world.socket().await;
    let Heard::State(first) = socket.next().await else {
        panic!("output before state");
    };
    let ServerMessage::Snapshot { seq, overview } = *first else {
        panic!("{first:?}");
    };
    let mut last = seq;
    assert_eq!(overview.jobs.len(), 1);
    assert_eq!(overview.server.timezone, "UTC");

    // The schedule fires by itself: its run comes up and goes, in numbers that rise.
    let mut was_active = false;
    loop {
        let Heard::State(message) = socket.next().await else {
            panic!("nobody asked for output");
        };
        let ServerMessage::Event { seq, event } = *message else {
            panic!("{message:?}");
        };
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        if let Event::Job { job } = event {
            was_active |= !job.active.is_empty();
            if was_active && let Some(run) = &job.last {
                assert_eq!(run.job.as_str(), world.own("tick~"));
                assert!(job.recent.iter().any(|bar| bar.run == run.id));
                break;
            }
        }
    }

    // No wrapper is left behind that looks for this server.
    world
        .post("/api/v1/jobs/tick~/pause", r#"{"paused":true}"#)
        .await;
    let running = world.get("/running").await.json();
    for run in running.as_object().unwrap().keys() {
        world.ended(&run.parse().unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_while_the_job_runs_exactly_from_where_it_was_asked_for() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let run = world.run("talk~").await;
    let mut socket = world.socket().await;
    socket
        .say(&ClientMessage::WatchRun { run: run.clone() })
        .await;
    let machine = MachineId::new("web1").unwrap();
    for (sub, from) in [(1, 0), (2, 5)] {
        let (run, machine) = (run.clone(), machine.clone());
        socket
            .say(&ClientMessage::WatchOutput {
                sub,
                run,
                machine,
                attempt: saltpeter_protocol::Attempt::FIRST,
                from,
            })
            .await;
    }
    let mut texts = [Vec::new(), Vec::new()];
    let mut ended_after = None;
    while !texts.iter().all(|text| text.ends_with(b"end\n")) {
        match socket.next().await {
            Heard::Output(push) => {
                let text = &mut texts[push.sub as usize - 1];
                let begin = if push.sub == 1 { 0 } else { 5 };
                assert_eq!(
                    push.slice.offset,
                    begin + text.len() as u64,
                    "a gap or an overlap"
                );
                text.extend(push.slice.bytes);
            }
            Heard::State(message) => {
                if let ServerMessage::Event {
                    event: Event::Run { summary },
                    ..
                } = *message
                    && summary.state.is_ended()
                {
                    ended_after.get_or_insert(texts[0].len());
                }
            }
        }
    }
    // It was shown while it ran, not once it was over.
    assert_ne!(ended_after, Some(0));
    world.ended(&run).await;
    let whole = world.output(&run, "web1").await;
    assert_eq!(String::from_utf8_lossy(&texts[0]), whole);
    assert_eq!(String::from_utf8_lossy(&texts[1]), whole[5..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_message_is_answered_and_harms_nothing() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let mut socket = world.socket().await;
    for text in [
        "{",
        r#"{"type":"dance"}"#,
        r#"{"type":"watch_run","run":"../x"}"#,
    ] {
        socket.say_text(text).await;
        socket
            .until(|message| matches!(message, ServerMessage::Error { .. }))
            .await;
    }
    let run = "nope_1".parse().unwrap();
    socket.say(&ClientMessage::WatchRun { run }).await;
    let answer = socket
        .until(|message| matches!(message, ServerMessage::Error { .. }))
        .await;
    let ServerMessage::Error { message, .. } = answer else {
        unreachable!()
    };
    assert!(message.contains("nope_1"), "{message}");
    socket.say(&ClientMessage::Ping).await;
    socket
        .until(|message| matches!(message, ServerMessage::Pong { .. }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_in_force_and_shown_within_a_second() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let mut socket = world.socket().await;
    let begun = std::time::Instant::now();
    world.write(
        "more.yaml",
        "added~:\n  schedule: '@yearly'\n  command: 'true'\n  targets: '*'\n",
    );
    socket
        .until(|message| is_job(message, &world.own("added~")))
        .await;
    assert!(begun.elapsed().as_millis() < 1000, "{:?}", begun.elapsed());

    // A mistake is shown where it is, and what was good stays in force.
    world.write(
        "more.yaml",
        "added~:\n  min: 61\n  command: 'true'\n  targets: '*'\n",
    );
    let shown = socket
        .until(|message| {
            matches!(
                message,
                ServerMessage::Event {
                    event: Event::Problems { .. },
                    ..
                }
            )
        })
        .await;
    let ServerMessage::Event {
        event: Event::Problems { problems },
        ..
    } = shown
    else {
        unreachable!()
    };
    let error = problems
        .iter()
        .find(|problem| problem.message.contains("61 is out of range"))
        .unwrap();
    assert_eq!(
        (error.file.as_str(), error.line, error.last_good_in_force),
        ("more.yaml", 2, true)
    );
    assert_eq!(world.get("/api/v1/jobs/added~").await.status, 200);

    std::fs::remove_file(world.path().join("config/more.yaml")).unwrap();
    socket
        .until(|message| matches!(message, ServerMessage::Event { event: Event::JobRemoved { name }, .. } if name.as_str() == world.own("added~")))
        .await;
    assert_eq!(world.get("/api/v1/jobs/added~").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_read_is_a_problem_until_it_can_be() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let mut socket = world.socket().await;
    let problems = |message: &ServerMessage| match message {
        ServerMessage::Event {
            event: Event::Problems { problems },
            ..
        } => Some(problems.clone()),
        _ => None,
    };
    let (there, away) = (world.path().join("config"), world.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    let told = socket.until(|message| problems(message).is_some()).await;
    let told = problems(&told).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].message.contains("directory cannot be read")
            && told[0].message.contains("stays in force"),
        "{told:?}"
    );
    assert_eq!(world.get("/api/v1/jobs/talk~").await.status, 200);
    std::fs::rename(&away, &there).unwrap();
    let told = socket.until(|message| problems(message).is_some()).await;
    assert_eq!(problems(&told), Some(Vec::new()));
}
