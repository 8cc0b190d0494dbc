//! From the launcher's call to the detached process.

use crate::server::{Server, Whole, within};
use crate::tools::{
    BINARY, TOKEN, binary, gone, is_root, launch, spec, stat, unique, wrapper, wrapper_for,
};
use saltpeter_protocol::launch::var;
use saltpeter_protocol::machine::v2::{Exit, FromServer, FromWrapper, LeaveReason, Progress};
use std::fs;
use std::process::{Command, Stdio};

#[tokio::test]
async fn it_detaches_runs_the_command_and_leaves() {
    let server = Server::start().await;
    let output = launch(wrapper(&server, &unique("detach")));
    assert_eq!(output.stdout, b"Wrapper started successfully\n");
    assert_eq!(output.stderr, b"");
    let mut connection = server.accept().await;
    assert_eq!(connection.authorization, Some(format!("Bearer {TOKEN}")));
    let FromWrapper::Hello {
        machine, progress, ..
    } = connection.control().await
    else {
        panic!("hello comes first");
    };
    assert_eq!((machine.as_str(), progress), ("m1", Progress::New));
    let command = "echo out; echo err >&2; read x; exit 7";
    connection.welcome(Some(spec(command)), 0).await;
    let shell = connection.started().await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"out\n");
    assert_eq!(whole.stderr, b"err\n");
    assert_eq!(
        whole.exit,
        Some(Exit::Exited { code: 7 }),
        "standard input is empty"
    );
    gone(shell).await;
}

#[tokio::test]
async fn the_wrapper_has_a_session_and_the_command_a_group_of_its_own() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("session")));
    let command =
        "cd /proc/$PPID; readlink fd/0 fd/1 fd/2; cat environ | wc -c; echo end; sleep 1000";
    let mut connection = server.start_command(spec(command)).await;
    let shell = connection.started().await;
    let (_, wrapper, group, session) = stat(shell).unwrap();
    assert_eq!(group, shell);
    assert_eq!(session, wrapper);
    let (_, parent, _, session) = stat(wrapper).unwrap();
    assert_eq!(session, wrapper);
    assert_ne!(parent, std::process::id());
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "end\n").await;
    if is_root() {
        let nowhere = "/dev/null\n/dev/null\n/dev/null\n";
        assert!(whole.stdout().starts_with(nowhere), "{}", whole.stdout());
    } else {
        // The token stands there, and the command has no business reading it.
        assert_eq!(whole.stdout(), "0\nend\n");
    }
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    gone(wrapper).await;
}

#[tokio::test]
async fn told_to_leave_it_starts_nothing() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("leave")));
    let (mut connection, _) = server.greet().await;
    let leave = FromServer::Leave {
        reason: LeaveReason::NotTheOne,
        message: "another wrapper came first".to_owned(),
    };
    connection.say(&leave).await;
    assert_eq!(connection.next().await, None);
    assert!(!server.somebody_knocks().await);
}

#[tokio::test]
async fn a_second_launch_of_the_same_run_starts_nothing() {
    let server = Server::start().await;
    let job = unique("twice");
    launch(wrapper(&server, &job));
    let mut connection = server.start_command(spec("sleep 1000")).await;
    connection.started().await;
    let output = launch(wrapper(&server, &job));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("has been started before, by run"), "{said}");
    assert!(!server.somebody_knocks().await);
    connection.say(&FromServer::Kill).await;
    connection.finish(Whole::default()).await;
}

#[tokio::test]
async fn of_two_launches_at_the_same_instant_one_starts_the_command() {
    let server = Server::start().await;
    let job = unique("race");
    for run in 1..=50 {
        let launches = [(); 2].map(|()| {
            let mut command = wrapper_for(&server, &job, run);
            command.stdout(Stdio::piped()).spawn().unwrap()
        });
        let said = launches.map(|launch| {
            let output = launch.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        });
        let refused = said.iter().filter(|said| said.contains("started before"));
        assert_eq!(refused.count(), 1, "run {run}: {said:?}");
        let mut connection = server.start_command(spec("echo once")).await;
        let whole = connection.finish(Whole::default()).await;
        assert_eq!(whole.stdout, b"once\n");
    }
    assert!(!server.somebody_knocks().await);
}

#[tokio::test]
async fn a_second_run_of_the_job_is_refused_while_the_first_lives() {
    let server = Server::start().await;
    let job = unique("overlap");
    launch(wrapper_for(&server, &job, 1));
    let mut first = server.start_command(spec("sleep 1000")).await;
    first.started().await;
    launch(wrapper_for(&server, &job, 2));
    let mut second = server.start_command(spec("echo never")).await;
    let refusal = second.refusal().await;
    assert!(
        refusal.contains("is already running on this machine"),
        "{refusal}"
    );
    assert!(
        refusal.contains(&format!("run {job}_1, process ")),
        "{refusal}"
    );
    first.say(&FromServer::Kill).await;
    first.finish(Whole::default()).await;
    launch(wrapper_for(&server, &job, 3));
    let mut third = server.start_command(spec("echo now")).await;
    assert_eq!(third.finish(Whole::default()).await.stdout, b"now\n");
}

#[tokio::test]
async fn an_environment_that_does_not_do_is_told_to_the_launcher() {
    let output = binary().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("SP_WEBSOCKET_URL is not set"), "{said}");
    let server = Server::start().await;
    let mut command = wrapper(&server, "tls");
    command
        .env(var::URL, "wss://server:8889")
        .env(var::TLS_PIN, "12");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("SP_TLS_PIN")
    );
}

#[test]
fn version_and_help_are_told() {
    let told = |option: &str| {
        let output = Command::new(BINARY).arg(option).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        told("--version"),
        concat!("saltpeter-wrapper ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert!(told("--help").contains("SP_WEBSOCKET_URL"));
    let output = Command::new(BINARY).arg("--nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn it_logs_to_a_file_of_the_job() {
    let server = Server::start().await;
    let logs = tempfile::tempdir().unwrap();
    let job = unique("log");
    let mut command = wrapper(&server, &job);
    command
        .env(var::LOG_DIR, logs.path())
        .env(var::LOG_LEVEL, "debug");
    launch(command);
    let mut connection = server.start_command(spec("true")).await;
    connection.finish(Whole::default()).await;
    let path = logs.path().join(format!("{job}.log"));
    within("the log's last line", async {
        loop {
            let log = fs::read_to_string(&path).unwrap_or_default();
            if log.ends_with("the server has everything; done\n") {
                assert!(log.contains(&format!(" {job}_1 m1 [")), "{log}");
                assert!(!log.contains(TOKEN));
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
