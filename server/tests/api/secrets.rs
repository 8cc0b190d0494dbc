//! Secrets of jobs, with a real wrapper: they reach the command and nothing else.

use crate::world::{World, within};
use saltpeter_protocol::MachineOutcome;
use saltpeter_testkit::BulkServer;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const SECRET: &str = "correct-horse-battery-staple";
const LATER: &str = "tr0ub4dor-and-three";
const ENV: &str = "value-of-the-environment";

/// Prints its secret in pieces to both streams, as a whole, and over a pause that the mask does not wait for.
const JOBS: &str = "
leaky~:
  schedule: '@yearly'
  targets: web1
  command: |
    [ \"$PASSWORD\" = correct''-horse-battery-staple ] && echo it is the first
    [ \"$PASSWORD\" = tr0ub4dor''-and-three ] && echo it is the second
    [ -n \"$HERE\" ] && echo and the other is there
    set -- $(echo \"$PASSWORD\" | sed 's/-/- /g')
    for piece; do printf %s $piece; printf %s $piece >&2; sleep 0.05; done
    echo; echo >&2
    echo \"whole $PASSWORD $TOKEN\"; echo \"whole $PASSWORD $TOKEN\" >&2
    env | grep -E '^(PASSWORD|TOKEN|HERE)='
    [ -n \"$SP_TOKEN\" ] && echo the token of the run is here
    printf '%s' \"$PASSWORD\" | head -c 12; sleep 2.5; printf '%s' \"$PASSWORD\" | tail -c +13; echo
  env: {TOKEN: value-of-the-environment}
  secrets:
    PASSWORD: {file: 'SECRET_FILE'}
    HERE: {env: CARGO_MANIFEST_DIR}
";

fn write(path: &Path, value: &str, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, value).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file below `directory` in which one of `wanted` stands.
fn found(directory: &Path, wanted: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(self::found(&path, wanted));
            continue;
        }
        let content = fs::read(&path).unwrap();
        for wanted in wanted {
            let wanted_bytes = wanted.as_bytes();
            if content
                .windows(wanted_bytes.len())
                .any(|window| window == wanted_bytes)
            {
                found.push(format!("{}: {wanted}", path.display()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_reaches_the_command_and_nothing_that_is_kept_or_shown() {
    let cluster = BulkServer::start().await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("password");
    write(&file, &format!("{SECRET}\n"), 0o600);
    let jobs = JOBS.replace("SECRET_FILE", file.to_str().unwrap());
    let settings = format!("saltpeter_config:\n  elasticsearch: {}\n", cluster.url(""));
    let mut world = World::new(&[("jobs.yaml", &jobs), ("sinks.yaml", &settings)]).await;
    let mut socket = world.socket().await;

    let run = world.run("leaky~").await;
    let detail = world.ended(&run).await;
    let outcome = detail.machines[0].state.outcome().cloned();
    assert_eq!(outcome, Some(MachineOutcome::Succeeded));
    let output = world.output(&run, "web1").await;
    assert!(output.contains("it is the first\n"), "{output}");
    assert!(output.contains("and the other is there\n"), "{output}");
    assert!(output.contains("PASSWORD=***\n"), "{output}");
    assert!(output.contains("TOKEN=***\n"), "{output}");
    assert_eq!(output.matches("whole *** ***\n").count(), 2, "{output}");
    assert!(output.ends_with("***\n"), "{output}");
    assert!(!output.contains("token of the run"), "{output}");
    let here = env!("CARGO_MANIFEST_DIR");
    for piece in ["correct-horse", "battery-", "staple", ENV, here] {
        assert!(!output.contains(piece), "{output}");
    }

    // A change of the file holds for the next run.
    write(&file, LATER, 0o440);
    let second = world.run("leaky~").await;
    world.ended(&second).await;
    let output = world.output(&second, "web1").await;
    assert!(output.contains("it is the second\n"), "{output}");
    assert!(output.contains("PASSWORD=***\n"), "{output}");

    let hidden = [SECRET, LATER, ENV, here];
    for page in [
        "/",
        "/config",
        "/jobs/leaky~",
        &format!("/runs/{run}"),
        "/data",
        "/api/v1/jobs/leaky~",
        "/api/v1/config",
        &format!("/api/v1/runs/{run}"),
    ] {
        let answer = world.get(page).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        for value in hidden {
            assert!(!text.contains(value), "{page}: {text}");
        }
    }
    let page = world.get("/api/v1/jobs/leaky~").await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains(file.to_str().unwrap()), "{page}");
    let heard = format!("{:?}", socket.next().await);
    for value in hidden {
        assert!(!heard.contains(value), "{heard}");
    }

    let end = second.to_string();
    let over = |cluster: &BulkServer| {
        cluster
            .arrived()
            .iter()
            .any(|sent| sent.text("msg_type") == "end" && sent.text("job_instance") == end)
    };
    cluster.until("the end", over).await.unwrap();
    let sent: Vec<String> = cluster
        .arrived()
        .iter()
        .map(|sent| sent.fields.to_string())
        .collect();
    assert!(sent.iter().any(|fields| fields.contains("whole ***")));
    for value in hidden {
        assert!(
            !sent.iter().any(|fields| fields.contains(value)),
            "{sent:?}"
        );
    }

    // What is in the files is there once the server has closed them.
    world.stop().await;
    assert_eq!(
        found(&world.path().join("data"), &[SECRET, LATER, here]),
        Vec::<String>::new()
    );
    // Values of `env` go when a run is over. From the write-ahead log they go when it is emptied, at the latest.
    let mut left = found(&world.path().join("data"), &[ENV]);
    left.retain(|file| !file.contains(".db-wal: "));
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(
        found(&world.path().join("log"), &hidden),
        Vec::<String>::new()
    );
    // The look finds what is there.
    let kept = found(&world.path().join("data"), &["whole ***"]);
    assert!(!kept.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_had_ends_the_run_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("password");
    let jobs = format!(
        "needy~:\n  schedule: '@yearly'\n  targets: 'web*'\n  command: echo begun\n  secrets: {{PASSWORD: {{file: '{}'}}}}\n",
        file.display()
    );
    let world = World::new(&[("jobs.yaml", &jobs)]).await;
    for (content, mode, reason) in [
        (None, 0, "cannot be read"),
        (Some("hunter2"), 0o644, "chmod"),
        (Some("\n"), 0o600, "is empty"),
        (Some("abc"), 0o600, "has 3 bytes"),
    ] {
        if let Some(content) = content {
            write(&file, content, mode);
        }
        let run = world.run("needy~").await;
        for (machine, outcome) in world.outcome(&run).await {
            let MachineOutcome::StartFailed { message, .. } = &outcome else {
                panic!("{machine}: {outcome:?}");
            };
            assert!(message.contains("secret PASSWORD"), "{message}");
            assert!(message.contains(reason), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
    write(&file, "hunter2", 0o600);
    let run = world.run("needy~").await;
    for (_, outcome) in within(world.outcome(&run)).await {
        assert_eq!(outcome, MachineOutcome::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_of_an_edit_of_maintenance_is_that_alone() {
    let text = "saltpeter_config: {elasticsearch: 'http://u:hunter2@127.0.0.1:1'}\nsaltpeter_maintenance:\n  # planned\n  global: false\nother~:\n  schedule: '@yearly'\n  targets: web1\n  command: 'true'\n  env: {PASSWORD: hunter2}\n";
    let world = World::new(&[("one.yaml", text)]).await;
    let page = world.get("/api/v1/maintenance").await;
    let page: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
    let edit = serde_json::json!({
        "global": true, "machines": [], "reason": "kernel", "version": page["version"],
    });
    let answer = world
        .post("/api/v1/maintenance/diff", &edit.to_string())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = String::from_utf8(answer.body).unwrap();
    assert!(
        shown.contains("planned") && shown.contains("global: true"),
        "{shown}"
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("command"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_too_large_to_be_handed_over_says_so() {
    let value = "y".repeat(60_000);
    let env: Vec<String> = (0..20).map(|n| format!("E{n}: {value}")).collect();
    let jobs = format!(
        "heavy~:\n  schedule: '@yearly'\n  targets: web1\n  command: 'true'\n  env: {{{}}}\n",
        env.join(", ")
    );
    let world = World::new(&[("jobs.yaml", &jobs)]).await;
    let run = world.run("heavy~").await;
    for (machine, outcome) in world.outcome(&run).await {
        let MachineOutcome::StartFailed { message, .. } = &outcome else {
            panic!("{machine}: {outcome:?}");
        };
        assert!(message.contains("the command takes 12"), "{message}");
        assert!(
            message.contains("the most that a wrapper is given"),
            "{message}"
        );
    }
}
