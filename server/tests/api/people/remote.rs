//! `saltpeter status`, `run`, `kill` and `runs`: a server asked over its API, with a token.

use super::{token, with_admin};
use crate::world::{World, within};
use std::process::{Command, Output};

/// The command, run beside the server.
async fn saltpeter(world: &World, token: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltpeter"));
    command
        .args(arguments.iter().map(|argument| world.own(argument)))
        .env("SALTPETER_SERVER", format!("http://{}", world.addr()))
        .env("SALTPETER_TOKEN", token);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn good(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn bad(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_runs_kills_and_lists_from_the_command_line() {
    let (world, mut ana) = with_admin().await;
    let header = token(&world, &mut ana, "ci", "operator", "db").await;
    let token = header.strip_prefix("Bearer ").unwrap();
    let ask = async |arguments: &[&str]| saltpeter(&world, token, arguments).await;

    let run = good(&ask(&["run", "long~"]).await);
    let run = run.trim_end();
    assert!(run.starts_with(&world.own("long~_")), "{run}");
    let status = good(&ask(&["status"]).await);
    let line = status
        .lines()
        .find(|line| line.starts_with(&world.own("long~ ")));
    assert!(line.is_some_and(|line| line.contains(" next ")), "{status}");
    good(&ask(&["kill", run]).await);
    let killed = format!("{run}  killed  ");
    within(async {
        let over = |runs: &str| runs.starts_with(&killed) && runs.contains("0 of 1 machines");
        while !over(&good(&ask(&["runs", "long~"]).await)) {}
    })
    .await;
    let json = good(&ask(&["runs", "long~", "--json"]).await);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["id"], run);
    // Every run of a job.
    let second = good(&ask(&["run", "long~"]).await);
    good(&ask(&["kill", "long~"]).await);
    let killed = format!("{}  killed  ", second.trim_end());
    within(async { while !good(&ask(&["runs", "long~"]).await).starts_with(&killed) {} }).await;

    for (arguments, said) in [
        (&["run", "web~"][..], "this one is of the group web"),
        (&["run", "nobody"], "nobody"),
        (
            &["status", "--server", "http://127.0.0.1:1"],
            "cannot reach http://127.0.0.1:1",
        ),
        (&["status", "--server", "sp"], "is no address"),
        (
            &["status", "--token-file", "/no/such/file"],
            "cannot read --token-file",
        ),
    ] {
        let output = ask(arguments).await;
        assert!(bad(&output).contains(said), "{arguments:?}: {output:?}");
    }
    let all = super::token(&world, &mut ana, "all", "operator", "").await;
    let all = all.strip_prefix("Bearer ").unwrap();
    let nobody = saltpeter(&world, all, &["kill", "nobody"]).await;
    assert!(bad(&nobody).contains("there is neither a run nor a job nobody"));
    // The token from a file goes before that of the environment; one that is none is told of.
    let file = world.path().join("token");
    std::fs::write(&file, "saltpeter_0000\n").unwrap();
    let wrong = ask(&["status", "--token-file", file.to_str().unwrap()]).await;
    assert!(bad(&wrong).contains("this API token is not valid"));
    std::fs::write(&file, format!("{token}\n# of the ci\n")).unwrap();
    let more = ask(&["status", "--token-file", file.to_str().unwrap()]).await;
    assert!(bad(&more).contains("holds more than a token"), "{more:?}");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    good(
        &saltpeter(
            &world,
            "saltpeter_0000",
            &["status", "--token-file", file.to_str().unwrap()],
        )
        .await,
    );
}
