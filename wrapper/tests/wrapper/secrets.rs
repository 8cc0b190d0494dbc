//! What becomes of secrets on the machine.

use crate::server::{Server, Whole, within};
use crate::tools::{TOKEN, launch, spec, unique, wrapper};
use saltpeter_protocol::launch::{CommandSpec, var};
use saltpeter_protocol::machine::v2::{Feature, FromWrapper, Progress};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const SECRET: &str = "correct-horse-battery-staple";

fn with_secret(command: &str) -> CommandSpec {
    CommandSpec {
        secrets: BTreeMap::from([("PASSWORD".to_owned(), SECRET.to_owned())]),
        ..spec(command)
    }
}

#[tokio::test]
async fn secrets_are_in_the_environment_and_masked_in_pieces_on_both_streams() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("secrets")));
    let command = with_secret(
        "test \"$PASSWORD\" = correct-horse-battery-staple && echo it is there; \
         for piece in correct- horse- battery- staple; do printf %s $piece; printf %s $piece >&2; sleep 0.05; done; \
         echo; echo err >&2; env | grep PASSWORD",
    );
    let mut connection = server.start_command(command).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout(), "it is there\n***\nPASSWORD=***\n");
    assert_eq!(String::from_utf8_lossy(&whole.stderr), "***err\n");
}

#[tokio::test]
async fn a_secret_is_masked_over_the_two_sides_of_a_reconnection() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("secret-reconnect")));
    let go = tempfile::tempdir().unwrap();
    let wait = |name: &str| {
        let path = go.path().join(name);
        format!("while [ ! -e {} ]; do sleep 0.01; done; ", path.display())
    };
    let command = format!(
        "printf 'one correct-horse'; {}printf -- '-battery'; {}echo -staple two",
        wait("1"),
        wait("2"),
    );
    let mut connection = server.start_command(with_secret(&command)).await;
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "one ").await;
    drop(connection);
    fs::write(go.path().join("1"), "").unwrap();
    let (mut connection, progress) = server.greet().await;
    assert!(matches!(progress, Progress::Started { .. }));
    connection.welcome(None, whole.all.len() as u64).await;
    fs::write(go.path().join("2"), "").unwrap();
    let whole = connection.finish(whole).await;
    assert_eq!(whole.stdout(), "one *** two\n");
}

#[tokio::test]
async fn what_waits_for_the_rest_of_a_secret_shows_as_a_mask_after_a_while() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("secret-pause")));
    let go = tempfile::tempdir().unwrap();
    let path = go.path().join("go");
    let command = format!(
        "printf 'password: correct-'; while [ ! -e {} ]; do sleep 0.01; done; echo horse-battery-staple.",
        path.display(),
    );
    let mut connection = server.start_command(with_secret(&command)).await;
    connection.started().await;
    let mut whole = Whole::default();
    // The command waits, so the mask can only come of the pause.
    connection.output_until(&mut whole, "password: ***").await;
    fs::write(&path, "").unwrap();
    let whole = connection.finish(whole).await;
    assert_eq!(whole.stdout(), "password: ***.\n");
}

#[tokio::test]
async fn a_large_output_with_secrets_all_over_it_is_masked_byte_for_byte() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("secret-large")));
    let command = format!(
        "i=0; while [ $i -lt 20 ]; do yes 'a {SECRET}{SECRET} correct-horse b' | head -n 20000; i=$((i+1)); done"
    );
    let mut connection = server.start_command(with_secret(&command)).await;
    let whole = connection.finish(Whole::default()).await;
    let line = "a *** correct-horse b\n";
    assert!(whole.stdout() == line.repeat(400_000), "not as expected");
}

#[tokio::test]
async fn neither_a_log_nor_a_problem_nor_an_argument_has_a_secret() {
    let server = Server::start().await;
    let logs = tempfile::tempdir().unwrap();
    let job = unique("secret-log");
    let start = |run| {
        let mut command = crate::tools::wrapper_for(&server, &job, run);
        command
            .env(var::LOG_DIR, logs.path())
            .env(var::LOG_LEVEL, "debug");
        launch(command);
    };
    start(1);
    let mut connection = server.accept().await;
    let FromWrapper::Hello { features, .. } = connection.control().await else {
        panic!("expected hello");
    };
    assert_eq!(features, [Feature::Secrets]);
    let go = logs.path().join("go");
    let command = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let secret = "not-for-any-argument";
    let command = CommandSpec {
        secrets: BTreeMap::from([("PASSWORD".to_owned(), secret.to_owned())]),
        ..spec(&command)
    };
    connection.welcome(Some(command), 0).await;
    connection.started().await;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(!arguments.contains(secret), "{arguments}");
        assert!(!arguments.contains(TOKEN), "{arguments}");
    }
    fs::write(&go, "").unwrap();
    connection.finish(Whole::default()).await;
    start(2);
    let refused = CommandSpec {
        cwd: Some(format!("/no/{SECRET}")),
        ..with_secret("true")
    };
    let mut connection = server.start_command(refused).await;
    let problem = connection.refusal().await;
    assert!(problem.contains("/no/***"), "{problem}");
    let path = logs.path().join(format!("{job}.log"));
    // The directory itself stands in the log where the welcome is, for it is no secret of the job's own making.
    let refused = "not started: cannot change to the directory \"/no/***\"";
    let log = within("the log's last line", async {
        loop {
            let log = fs::read_to_string(&path).unwrap();
            if log.contains(refused) {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(log.contains("PASSWORD"), "{log}");
    for hidden in [secret, TOKEN] {
        assert!(!log.contains(hidden), "{log}");
    }
}

#[tokio::test]
async fn values_of_env_are_masked_too() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("env-masked")));
    let command = CommandSpec {
        env: BTreeMap::from([
            ("TOKEN".to_owned(), "t0ken".to_owned()),
            ("DEBUG".to_owned(), "true".to_owned()),
        ]),
        ..spec("echo $TOKEN $DEBUG; echo no $TOKEN >&2")
    };
    let mut connection = server.start_command(command).await;
    let mut whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout(), "*** true\n");
    whole.stdout = std::mem::take(&mut whole.stderr);
    assert_eq!(whole.stdout(), "no ***\n");
}
