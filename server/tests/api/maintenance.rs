//! Maintenance, by the editor and by hand.

use crate::world::{World, within};
use saltpeter_protocol::MachineOutcome;
use saltpeter_protocol::live::{Event, ServerMessage};
use serde_json::{Value, json};
use std::time::Duration;

const JOBS: &str = "
hello~:
  schedule: '@yearly'
  command: echo hello
  targets: 'web*'
";

const EDITED: &str = "# Ask marin before you touch this.
saltpeter_maintenance:
  global: false   # the big switch
  machines: []
";

#[tokio::test(flavor = "multi_thread")]
async fn the_editor_shows_the_diff_keeps_comments_and_refuses_a_stale_edit() {
    let world = World::new(&[("jobs.yaml", JOBS), ("ops.yaml", EDITED)]).await;
    let page = world.get("/api/v1/maintenance").await.json();
    assert_eq!(page["file"], "ops.yaml");
    assert_eq!(page["known_machines"], json!(["db1", "web1", "web2"]));
    let edit = json!({
        "version": page["version"], "global": true, "machines": ["web1"], "reason": "kernel rollout",
    });
    let diff = world
        .post("/api/v1/maintenance/diff", &edit.to_string())
        .await
        .json();
    assert_eq!(diff["problems"], json!([]));
    let changes: Vec<&str> = diff["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["change"].as_str().unwrap())
        .collect();
    assert!(
        changes.contains(&"added") && changes.contains(&"removed") && changes.contains(&"same"),
        "{diff}"
    );
    assert_eq!(world.read("ops.yaml"), EDITED, "a diff writes nothing");

    let saved = world.put("/api/v1/maintenance", &edit).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let saved = saved.json();
    assert_eq!(saved["current"]["global"], true);
    assert_ne!(saved["version"], page["version"]);
    let text = world.read("ops.yaml");
    assert!(
        text.contains("# Ask marin") && text.contains("# the big switch"),
        "{text}"
    );
    assert!(
        text.contains("global: true") && text.contains("web1") && text.contains("kernel rollout"),
        "{text}"
    );

    // In force with the answer: nothing starts, and the reason is given.
    let refused = world.post("/api/v1/jobs/hello~/run", "").await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (409, "maintenance")
    );
    assert!(refused.error().1.contains("kernel rollout"));
    assert_eq!(world.post("/runnow/hello~", "").await.status, 409);

    // The edit began from another content.
    let stale = world.put("/api/v1/maintenance", &edit).await;
    assert_eq!((stale.status, stale.error().0.as_str()), (409, "conflict"));
    let wrong = json!({ "version": saved["version"], "global": false, "machines": ["a/b"], "reason": null });
    let wrong_diff = world
        .post("/api/v1/maintenance/diff", &wrong.to_string())
        .await
        .json();
    assert_eq!(wrong_diff["problems"][0]["field"], "machines");
    let wrong = world.put("/api/v1/maintenance", &wrong).await;
    assert_eq!((wrong.status, wrong.error().0.as_str()), (422, "invalid"));

    let off =
        json!({ "version": saved["version"], "global": false, "machines": [], "reason": null });
    assert_eq!(world.put("/api/v1/maintenance", &off).await.status, 200);
    let run = world.run("hello~").await;
    world.ended(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_under_maintenance_takes_no_part() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let mut socket = world.socket().await;
    world.write(
        "maintenance.yaml",
        "saltpeter_maintenance:\n  machines: [web2]\n",
    );
    socket
        .until(|message| {
            matches!(
                message,
                ServerMessage::Event {
                    event: Event::Maintenance { .. },
                    ..
                }
            )
        })
        .await;
    let run = world.run("hello~").await;
    let outcomes = world.outcome(&run).await;
    assert_eq!(
        outcomes,
        [
            ("web1".to_owned(), MachineOutcome::Succeeded),
            ("web2".to_owned(), MachineOutcome::Maintenance),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_during_global_maintenance_is_logged_and_not_started() {
    let jobs = "tick~:\n  schedule: '* * * * * *'\n  command: 'true'\n  targets: '*'\n";
    let global = "saltpeter_maintenance: {global: true}\n";
    let world = World::new(&[("jobs.yaml", jobs), ("maintenance.yaml", global)]).await;
    until_logged(&world, "tick~", "Global maintenance mode active").await;
    let detail = world.get("/api/v1/jobs/tick~").await.json();
    assert_eq!(detail["history"], json!([]));
    assert!(detail["row"]["next"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_in_a_group_under_maintenance_is_not_started_and_other_groups_go_on() {
    let ticks = |name: &str| {
        format!("{name}:\n  schedule: '* * * * * *'\n  command: 'true'\n  targets: web1\n")
    };
    let held = "saltpeter_maintenance: {groups: [db], reason: upgrade}\n";
    let world = World::new(&[
        ("db.yaml", &ticks("db~")),
        ("web.yaml", &ticks("web~")),
        ("maintenance.yaml", held),
    ])
    .await;
    let mut socket = world.socket().await;
    let other = world.own("web~");
    socket
        .until(|message| match message {
            ServerMessage::Event {
                event: Event::Job { job },
                ..
            } => job.name.as_str() == other && job.last.is_some(),
            _ => false,
        })
        .await;
    until_logged(&world, "db~", "Group under maintenance").await;
    let detail = world.get("/api/v1/jobs/db~").await.json();
    assert_eq!(detail["history"], json!([]));
    let refused = world.post("/api/v1/jobs/db~/run", "").await;
    assert_eq!(refused.error().0, "maintenance");
    assert!(
        refused
            .error()
            .1
            .contains("the group db is under maintenance (upgrade)")
    );
    let config = world.get("/config").await.json();
    assert_eq!(config["saltpeter_maintenance"]["groups"], json!(["db"]));

    world.write("maintenance.yaml", "saltpeter_maintenance: {groups: []}\n");
    socket
        .until(|message| match message {
            ServerMessage::Event {
                event: Event::Maintenance { maintenance },
                ..
            } => maintenance.groups.is_empty(),
            _ => false,
        })
        .await;
    let run = world.run("db~").await;
    world.ended(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_editor_gave_is_written_and_holds() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let path = "/api/v1/maintenance";
    let page = world.get(path).await.json();
    let edit = |until: &str| {
        json!({
            "version": page["version"], "global": true, "machines": [], "reason": null, "until": until,
        })
    };
    let past = world.put(path, &edit("2020-01-01T00:00")).await;
    assert_eq!(past.error().0, "invalid");
    let end = "2035-06-01T12:30";
    let saved = world.put(path, &edit(end)).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert!(saved.json()["current"]["until"].is_number());
    let text = world.read("maintenance.yaml");
    assert!(text.contains("until: \"2035-06-01T12:30:00Z\""), "{text}");
    let refused = world.post("/api/v1/jobs/hello~/run", "").await;
    assert_eq!(refused.error().0, "maintenance");
    world.pass(Duration::from_hours(24 * 365 * 20));
    let run = world.run("hello~").await;
    world.ended(&run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_does_not_name_stays_and_null_clears_it() {
    let world = World::new(&[("jobs.yaml", JOBS)]).await;
    let path = "/api/v1/maintenance";
    // What is in force once this is saved.
    let put = async |edit: Value| {
        let page = world.get(path).await.json();
        let mut edit = edit;
        edit["version"] = page["version"].clone();
        let saved = world.put(path, &edit).await;
        assert_eq!(saved.status, 200, "{}", saved.text());
        let current = saved.json()["current"].clone();
        json!([current["groups"], current["reason"], current["until"]])
    };
    let end = 2_064_313_800_000_i64;
    let all = json!([["db"], "disks", end]);
    let begun = put(json!({
        "global": false, "machines": [], "groups": ["db"], "reason": "disks", "until": "2035-06-01T12:30",
    }));
    assert_eq!(begun.await, all);
    let named_none = json!({"global": true, "machines": ["web1"]});
    assert_eq!(put(named_none.clone()).await, all);
    let text = world.read("maintenance.yaml");
    assert!(
        text.contains("2035-06-01T12:30:00Z") && text.contains("disks") && text.contains("web1"),
        "{text}"
    );
    for (key, value, expected) in [
        ("until", json!(null), json!([["db"], "disks", null])),
        ("reason", json!(null), json!([["db"], null, null])),
        ("reason", json!("racks"), json!([["db"], "racks", null])),
        ("groups", json!([]), json!([[], "racks", null])),
        ("groups", json!(["web"]), json!([["web"], "racks", null])),
        ("groups", json!(null), json!([[], "racks", null])),
        ("until", json!(end.to_string()), json!([[], "racks", end])),
        ("until", json!(""), json!([[], "racks", null])),
    ] {
        let mut edit = named_none.clone();
        edit[key] = value;
        assert_eq!(put(edit.clone()).await, expected, "{edit}");
    }
    // With the last of it goes what was said of it.
    let off = json!({"global": false, "machines": []});
    assert_eq!(put(off).await, json!([[], null, null]));
    let text = world.read("maintenance.yaml");
    assert!(!text.contains("racks"), "{text}");
}

/// Waits until the log of `job` says `words`.
async fn until_logged(world: &World, job: &str, words: &str) {
    let log = world.path().join(world.own(&format!("log/{job}.log")));
    let logged = async {
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.contains(words) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(logged).await;
}
