//! `saltpeter user` and `saltpeter token`, beside a server that runs.

use super::browser::Browser;
use super::{PASSWORD, with_admin};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn saltpeter(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_saltpeter"))
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim()
}

fn good(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn bad(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_removed_while_the_server_runs() {
    let (world, _) = with_admin().await;
    let data = world.path().join("data");
    let run = |arguments: &[&str], input: &str| saltpeter(&data, arguments, input);
    let line = [PASSWORD, "\n"].concat();
    let added = run(
        &["user", "add", "bor", "--role", "operator", "--group", "db"],
        &line,
    );
    assert_eq!(good(&added), "added bor, operator of db");
    assert!(bad(&run(&["user", "add", "bor"], &line)).contains("there is a user bor already"));
    assert!(bad(&run(&["user", "add", "eva"], "short\n")).contains("too short"));
    assert!(bad(&run(&["user", "add", "eva"], "")).contains("no password on standard input"));
    let mut bor = Browser::new();
    assert_eq!(bor.log_in(&world, "bor", PASSWORD).await.status, 303);
    let role = run(&["user", "role", "bor", "--role", "viewer"], "");
    assert_eq!(good(&role), "bor may now act as viewer");
    let refused = bor.fetch(&world, "POST", "/runnow/hello~", "").await;
    assert_eq!(refused.status, 403);

    let list = run(&["user", "list", "--json"], "");
    let list: serde_json::Value = serde_json::from_str(good(&list)).unwrap();
    assert_eq!(
        (&list[0]["name"], &list[1]["role"]),
        (&"ana".into(), &"viewer".into())
    );
    assert!(!list.to_string().contains("argon2"));
    good(&run(
        &["user", "password", "bor"],
        "quite another password\n",
    ));
    assert_eq!(bor.fetch(&world, "GET", "/running", "").await.status, 401);
    good(&run(&["user", "remove", "bor"], ""));
    assert!(bad(&run(&["user", "remove", "bor"], "")).contains("there is no user bor"));
    assert!(bad(&run(&["user", "remove", "ana"], "")).contains("the only admin"));
    assert!(bad(&run(&["user", "role", "ana", "--role", "viewer"], "")).contains("the only admin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_the_command_line_opens_the_interface() {
    let (world, _) = with_admin().await;
    let data = world.path().join("data");
    let token = saltpeter(&data, &["token", "add", "watch", "--days", "1"], "");
    let bearer = format!("Bearer {}", good(&token));
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(
        world.request("GET", "/running", &headers, "").await.status,
        200
    );
    let list = saltpeter(&data, &["token", "list"], "");
    assert!(
        good(&list).starts_with("watch: viewer, expires "),
        "{}",
        good(&list)
    );
    good(&saltpeter(&data, &["token", "remove", "watch"], ""));
    assert_eq!(
        world.request("GET", "/running", &headers, "").await.status,
        401
    );
}

#[test]
fn the_first_user_is_an_admin_and_may_be_made_before_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let line = [PASSWORD, "\n"].concat();
    let viewer = saltpeter(&data, &["user", "add", "ana"], &line);
    assert!(bad(&viewer).contains("the first user is to be an admin"));
    good(&saltpeter(
        &data,
        &["user", "add", "ana", "--role", "admin"],
        &line,
    ));
    let wrong = saltpeter(&data, &["user", "add", "bor", "--group", "db"], &line);
    assert!(bad(&wrong).contains("--role operator"));
}

#[test]
fn a_data_directory_that_is_mistyped_is_not_made_but_for_the_first_user() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("typo");
    for arguments in [
        &["user", "list"][..],
        &["user", "remove", "bor"],
        &["user", "role", "bor"],
        &["token", "list"],
        &["token", "remove", "deploy"],
    ] {
        let output = saltpeter(&data, arguments, "");
        let said = bad(&output);
        assert!(said.contains("there is no database in"), "{said}");
        assert!(!data.exists(), "{arguments:?}");
    }
    let line = [PASSWORD, "\n"].concat();
    let first = saltpeter(&data, &["user", "add", "ana", "--role", "admin"], &line);
    good(&first);
    let said = text(&first.stderr);
    assert!(said.contains("has no database yet"), "{said}");
    let list = saltpeter(&data, &["user", "list"], "");
    assert!(good(&list).starts_with("ana: admin"));
    assert_eq!(text(&list.stderr), "");
}
