//! The audit trail of a whole server.

use crate::world::{World, within};
use serde_json::Value;

const JOBS: &str =
    "kept~: {schedule: '@yearly', targets: web1, command: 'true', env: {PASSWORD: hunter2}}\n";

/// The lines of the export.
async fn lines(world: &World, query: &str) -> Vec<Value> {
    let answer = world.get(&format!("/api/v1/audit?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The first entry of which `wanted` says yes, once it is there.
async fn entry(world: &World, query: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    within(async {
        loop {
            let found = lines(world, query).await.into_iter().find(&wanted);
            match found {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_put_down_with_old_and_new_values_and_no_secret() {
    let mut world = World::new(&[("jobs.yaml", JOBS)]).await;
    let started = entry(&world, "what=action", |line| {
        line["deed"].as_str().unwrap().starts_with("started")
    })
    .await;
    assert_eq!(started["who"], "the server");

    let changed = JOBS
        .replace("command: 'true'", "command: '<b>echo</b>'")
        .replace("hunter2", "hunter3");
    world.write("jobs.yaml", &changed);
    let reload = entry(&world, "what=reload", |_| true).await;
    assert!(
        reload["deed"]
            .as_str()
            .unwrap()
            .contains(&world.own("changed: kept~")),
        "{reload}"
    );
    assert!(reload["old"].as_str().unwrap().contains("command: true"));
    assert!(reload["new"].as_str().unwrap().contains("<b>echo</b>"));
    assert!(reload["new"].as_str().unwrap().contains("env.PASSWORD"));
    assert!(!reload.to_string().contains("hunter"), "{reload}");

    // It is there after a restart, in order, and on the page as text.
    world.stop().await;
    world.start().await;
    entry(&world, "what=action", |line| {
        line["seq"].as_i64() > reload["seq"].as_i64()
    })
    .await;
    let all = lines(&world, "").await;
    let numbers: Vec<i64> = all
        .iter()
        .map(|line| line["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let page = world.get("/audit").await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("&lt;b&gt;echo&lt;/b&gt;"), "{page}");
    assert!(
        !page.contains("<b>echo") && !page.contains("hunter"),
        "{page}"
    );

    // Filters leave the others out, and older pages begin where the newer ones end.
    let page = world.get("/audit?what=reload&who=nobody").await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("Nothing of that kind"), "{page}");
    let page = world.get("/audit?before=2").await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(
        page.contains("started") && !page.contains("read again"),
        "{page}"
    );
    assert_eq!(world.get("/audit?what=nothing").await.status, 400);
    assert_eq!(
        lines(&world, "since=2020-01-01&until=2020-01-02")
            .await
            .len(),
        0
    );
}
