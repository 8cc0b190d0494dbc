//! Kill, timeout, and what is left of the tree.

use crate::server::{Server, Whole};
use crate::tools::{gone, launch, limited, marked, spec, stat, unique, wrapper};
use saltpeter_protocol::machine::v2::{Exit, FromServer};
use std::process::Command;
use std::time::{Duration, Instant};

/// What a busy machine may take on top of what is asked for.
const SLACK: Duration = Duration::from_secs(3);

/// A tree that does not want to end: the shell, a child and a daemon in a session of its own, all
/// deaf to SIGTERM.
fn stubborn(mark: &str) -> String {
    format!(
        "export {mark}; trap '' TERM; sleep 1000 & \
         setsid sh -c 'trap \"\" TERM; sleep 1000 & echo daemon; sleep 1000' & \
         sleep 1000; sleep 1000"
    )
}

#[tokio::test]
async fn a_timeout_takes_the_whole_tree() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("timeout"));
    launch(wrapper(&server, &unique("timeout")));
    let (soft, hard) = (Duration::from_secs(3), Duration::from_millis(3500));
    let command = limited(&stubborn(&mark), soft, hard);
    let mut connection = server.start_command(command).await;
    let begin = Instant::now();
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon\n").await;
    assert!(marked(&mark).len() >= 4, "{:?}", marked(&mark));
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::TimedOut));
    assert_eq!(marked(&mark), [0; 0]);
    assert!(begin.elapsed() < hard + SLACK, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_timeout_is_a_timeout_whatever_the_shell_says() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("polite")));
    let command = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done";
    let limit = limited(command, Duration::from_millis(300), Duration::from_mins(1));
    let mut connection = server.start_command(limit).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"bye\n");
    assert_eq!(whole.exit, Some(Exit::TimedOut));
}

#[tokio::test]
async fn a_kill_takes_the_whole_tree_after_its_grace() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("kill"));
    launch(wrapper(&server, &unique("kill")));
    let mut connection = server.start_command(spec(&stubborn(&mark))).await;
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon\n").await;
    let begin = Instant::now();
    connection.say(&FromServer::Kill).await;
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    assert_eq!(marked(&mark), [0; 0]);
    let grace = Duration::from_secs(5);
    assert!(begin.elapsed() >= grace, "{:?}", begin.elapsed());
    assert!(begin.elapsed() < grace + SLACK, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_kill_that_waits_in_the_welcome_is_carried_out() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("pending")));
    let mut connection = server.start_command(spec("sleep 1000")).await;
    let shell = connection.started().await;
    drop(connection);
    let (mut connection, _) = server.greet().await;
    let welcome = FromServer::Welcome {
        command: None,
        durable: 0,
        kill: true,
        version: "test".to_owned(),
    };
    connection.say(&welcome).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    gone(shell).await;
}

#[tokio::test]
async fn a_daemon_that_a_command_leaves_behind_neither_holds_the_run_nor_dies() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("daemon"));
    launch(wrapper(&server, &unique("daemon")));
    let command = format!("export {mark}; sleep 1000 & echo up");
    let mut connection = server.start_command(spec(&command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"up\n");
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
    let left = marked(&mark);
    assert_eq!(left.len(), 1);
    let killed = Command::new("kill")
        .arg(left[0].to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    gone(left[0]).await;
}

#[tokio::test]
async fn output_of_the_background_is_waited_for() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("background")));
    let command = "(sleep 0.5; echo late) & echo early";
    let mut connection = server.start_command(spec(command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"early\nlate\n");
}

#[tokio::test]
async fn a_wrapper_that_is_terminated_ends_its_command_and_says_so() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("shutdown")));
    let mut connection = server.start_command(spec("sleep 1000")).await;
    let shell = connection.started().await;
    let (_, wrapper, ..) = stat(shell).unwrap();
    let told = Command::new("kill")
        .arg(wrapper.to_string())
        .status()
        .unwrap();
    assert!(told.success());
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Signalled { signal: 15 }));
    gone(wrapper).await;
}
