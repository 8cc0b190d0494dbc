//! How the command is set up, and what is said when that is not possible.

use crate::server::{Server, Whole};
use crate::tools::{BINARY, TOKEN, binary, is_root, launch, launch_of, spec, unique, wrapper};
use saltpeter_protocol::launch::{CommandSpec, LockRule, var};
use saltpeter_protocol::machine::v2::Exit;
use std::collections::BTreeMap;
use std::process::Command;

async fn run(name: &str, command: CommandSpec) -> Whole {
    let server = Server::start().await;
    launch(wrapper(&server, &unique(name)));
    let mut connection = server.start_command(command).await;
    connection.finish(Whole::default()).await
}

async fn refusal(name: &str, command: CommandSpec) -> String {
    let server = Server::start().await;
    launch(wrapper(&server, &unique(name)));
    let mut connection = server.start_command(command).await;
    connection.refusal().await
}

#[tokio::test]
async fn the_command_sees_its_environment_and_not_the_token() {
    let command = CommandSpec {
        env: BTreeMap::from([("PGPASSWORD".to_owned(), "s3cret".to_owned())]),
        ..spec("env; test $PGPASSWORD = s3cret && echo as given")
    };
    let whole = run("env", command).await;
    let env = whole.stdout();
    assert!(env.contains("PGPASSWORD=***\n"), "{env}");
    assert!(env.contains("as given\n"), "{env}");
    assert!(env.contains("SP_JOB_INSTANCE=env-"), "{env}");
    assert!(env.contains("SP_JOB_INSTANCE_NAME=env-"), "{env}");
    assert!(!env.contains(TOKEN), "{env}");
    for name in [var::TOKEN, var::URL, var::TLS_PIN, var::COMMAND] {
        assert!(!env.contains(&format!("{name}=")), "{env}");
    }
}

#[tokio::test]
async fn the_command_runs_in_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    let command = CommandSpec {
        cwd: Some(path.to_str().unwrap().to_owned()),
        ..spec("pwd")
    };
    assert_eq!(
        run("cwd", command).await.stdout(),
        format!("{}\n", path.display())
    );
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let command = CommandSpec {
        cwd: Some("/no/such/place".to_owned()),
        ..spec("pwd")
    };
    let message = refusal("nocwd", command).await;
    assert!(message.contains("\"/no/such/place\""), "{message}");
    assert!(message.contains("No such file or directory"), "{message}");
}

#[tokio::test]
async fn an_unknown_user_is_named() {
    let command = CommandSpec {
        user: Some("no-such-user".to_owned()),
        ..spec("id")
    };
    let message = refusal("nouser", command).await;
    assert!(
        message.contains("\"no-such-user\" is not known"),
        "{message}"
    );
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_made_is_named() {
    let file = "/no/such/place/lock".to_owned();
    let command = CommandSpec {
        overlap: LockRule::ExclusiveAt { file: file.clone() },
        ..spec("id")
    };
    let message = refusal("nolock", command).await;
    assert!(message.contains(&file), "{message}");
}

#[tokio::test]
async fn a_command_that_is_too_long_for_the_system_is_refused() {
    let long = format!("true {}", "x".repeat(200_000));
    let message = refusal("long", spec(&long)).await;
    assert!(message.contains("cannot run /bin/sh"), "{message}");
}

/// Only root can become somebody else; for others the refusal is what is tested.
#[tokio::test]
async fn the_command_runs_as_its_user_with_its_groups() {
    let command = CommandSpec {
        user: Some("nobody".to_owned()),
        ..spec("id -u; id -G; echo $HOME $USER $LOGNAME")
    };
    if !is_root() {
        let command = CommandSpec {
            user: Some("root".to_owned()),
            ..command
        };
        let message = refusal("user", command).await;
        assert!(message.contains("start it as root"), "{message}");
        return;
    }
    let expected = Command::new("sh")
        .args([
            "-c",
            "id -u nobody; id -G nobody; echo ~nobody nobody nobody",
        ])
        .output()
        .unwrap();
    assert_eq!(run("user", command).await.stdout, expected.stdout);
}

/// What the system knows of an account, in the order of the variables in `LOGIN`.
fn account(who: &str) -> String {
    let line = format!("getent passwd {who} | awk -F: '{{ print $6, $1, $1, $7 }}'");
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// By `env`, because some shells set these for themselves.
const LOGIN: &str =
    "env > $DIR/env; for n in HOME USER LOGNAME SHELL; do sed -n s/^$n=//p $DIR/env; done | xargs";

#[tokio::test]
async fn the_command_has_the_home_and_the_name_that_its_wrapper_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let command = CommandSpec {
        env: BTreeMap::from([("DIR".to_owned(), dir.path().display().to_string())]),
        ..spec(LOGIN)
    };
    let server = Server::start().await;
    let mut wrapper = wrapper(&server, &unique("home"));
    launch({
        wrapper.env_remove("HOME").env("SHELL", "/bin/own");
        wrapper
    });
    let mut connection = server.start_command(command).await;
    let whole = connection.finish(Whole::default()).await;
    let mut fields: Vec<String> = account("$(id -u)").split(' ').map(str::to_owned).collect();
    fields[3] = "/bin/own\n".to_owned();
    assert_eq!(whole.stdout(), fields.join(" "));
}

#[tokio::test]
async fn a_command_of_the_wrappers_own_user_by_name_has_that_users_home() {
    let dir = tempfile::tempdir().unwrap();
    let id = Command::new("id").arg("-un").output().unwrap();
    let command = CommandSpec {
        user: Some(String::from_utf8(id.stdout).unwrap().trim().to_owned()),
        env: BTreeMap::from([("DIR".to_owned(), dir.path().display().to_string())]),
        ..spec(LOGIN)
    };
    assert_eq!(run("self", command).await.stdout(), account("$(id -u)"));
}

#[tokio::test]
async fn the_command_may_open_as_many_files_as_whoever_started_the_wrapper_says() {
    let server = Server::start().await;
    let mut wrapper = wrapper(&server, &unique("files"));
    launch({
        wrapper.env(var::OPEN_FILES, "77");
        wrapper
    });
    let command = "ulimit -Sn; test $(ulimit -Hn) != 77 && env | grep -c SP_OPEN_FILES";
    let mut connection = server.start_command(spec(command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout(), "77\n0\n");
}

#[tokio::test]
async fn the_command_has_no_file_open_of_whoever_started_the_wrapper() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let holding = format!(
        "exec 7>{}/lock 8</dev/null; exec \"$0\"",
        dir.path().display()
    );
    launch(launch_of(
        below_shell(&holding),
        &server,
        &unique("open"),
        1,
    ));
    // The fourth is that of the listed directory.
    let mut connection = server.start_command(spec("ls /proc/self/fd")).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout(), "0\n1\n2\n3\n");
}

#[tokio::test]
async fn the_command_can_trap_what_was_ignored_where_the_wrapper_was_started() {
    let server = Server::start().await;
    let ignoring = below_shell("trap '' HUP QUIT INT PIPE; exec \"$0\"");
    launch(launch_of(ignoring, &server, &unique("ignored"), 1));
    let command =
        "trap 'echo hangup' HUP; trap 'echo quit' QUIT; kill -HUP $$; kill -QUIT $$; yes | head -1";
    let mut connection = server.start_command(spec(command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout(), "hangup\nquit\ny\n");
    assert_eq!(whole.stderr, b"");
}

#[tokio::test]
async fn death_by_a_signal_is_reported_as_such() {
    let whole = run("signal", spec("echo before; kill -11 $$")).await;
    assert_eq!(whole.stdout, b"before\n");
    assert_eq!(whole.exit, Some(Exit::Signalled { signal: 11 }));
}

/// The wrapper, started by `line` of a shell, where it is `$0`.
fn below_shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    let wrapper = binary();
    let env = wrapper
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    shell.args(["-c", line, BINARY]).env_clear().envs(env);
    shell
}
