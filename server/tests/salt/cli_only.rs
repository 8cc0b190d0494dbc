//! What the way by the master's own host has to look out for.

use crate::ways::{Way, call, returns, with};
use saltpeter_server::clock::SystemClock;
use saltpeter_server::salt::cli::SaltCli;
use saltpeter_server::salt::{Salt as _, SaltError};
use saltpeter_testkit::SaltLab;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn without_a_masters_configuration_salt_is_not_started() {
    let lab = SaltLab::find().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let salt = lab.description().salt.to_string_lossy().into_owned();
    let error = SaltCli::new(empty.path(), &salt, Arc::new(SystemClock)).err();
    let why = error.unwrap().to_string();
    assert!(why.contains("salt_config_dir"), "{why}");
}

#[tokio::test]
async fn a_python_without_salt_is_told_with_its_own_words() {
    let lab = SaltLab::find().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("salt");
    std::fs::write(&script, "#!/usr/bin/env python3\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let salt = SaltCli::new(
        Path::new(&lab.description().config_dir),
        &script.to_string_lossy(),
        Arc::new(SystemClock),
    )
    .unwrap();
    let error = salt.call(call("*", "test.ping")).await.unwrap_err();
    let SaltError::Away(why) = error else {
        panic!("{error:?}");
    };
    assert!(why.contains("No module named 'salt'"), "{why}");
}

#[tokio::test]
async fn a_process_that_hangs_is_ended_and_another_started() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::write(path(name), text).unwrap();
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Plays the process: it opens the event stream, and answers nothing.
    let starts = path("starts");
    let shown = starts.display();
    write(
        "python3",
        &format!("#!/bin/sh\necho x >> {shown}\necho 'retry: 400'\nexec sleep 600\n"),
    );
    write("salt", &format!("#!{}\n", path("python3").display()));
    write("master", "");
    let command = path("salt").to_string_lossy().into_owned();
    let salt = SaltCli::new(directory.path(), &command, Arc::new(SystemClock)).unwrap();
    let error = salt.call(call("*", "test.ping")).await.unwrap_err();
    assert!(matches!(error, SaltError::Unsure(_)), "{error:?}");
    let again = async {
        // Calls are held back for a moment first.
        while std::fs::read_to_string(&starts).unwrap().lines().count() < 2 {
            let call = salt.call(call("*", "test.ping"));
            let _ = tokio::time::timeout(Duration::from_millis(200), call).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .unwrap();
}

#[tokio::test]
async fn nothing_of_a_call_stands_in_a_command_line() {
    let lab = SaltLab::find().unwrap();
    let salt = Way::Cli.connect(&lab);
    let secret = "a-token-that-nobody-may-see";
    let kwargs =
        json!({"cmd": "cat /proc/*/cmdline", "env": {"TOKEN": secret}, "python_shell": true});
    let called = salt.call(with(call("web1", "cmd.run_all"), &kwargs));
    let heard = returns(called.await.unwrap()).await;
    let told = format!("{heard:?}");
    // It did see the command lines, that of the process that made the call among them.
    assert!(told.contains("json.loads(sys.stdin.readline())"), "{told}");
    assert!(!told.contains(secret));
}
