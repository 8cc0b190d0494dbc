//! The timeline: what was under maintenance when, in the lanes that it concerns.

use crate::world::{World, within};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{Band, Held, Timeline};
use serde_json::{Value, json};
use std::time::Duration;

const DB: &str = "
nightly~: {schedule: '@yearly', command: 'true', targets: web1}
";
const WEB: &str = "
often~: {schedule: '* * * * *', command: 'true', targets: web1}
";
const MINUTE: Duration = Duration::from_mins(1);

async fn timeline(world: &World, query: &str) -> Timeline {
    let answer = world.get(&format!("/api/v1/timeline?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

/// Saves an edit in the dashboard's way, and waits until it is also found in the files.
async fn save(world: &World, mut edit: Value) -> UnixMillis {
    let found = found(world).await;
    let path = "/api/v1/maintenance";
    edit["version"] = world.get(path).await.json()["version"].clone();
    let saved = world.put(path, &edit).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    until_found(world, found + 1).await;
    world.now()
}

/// How often something else was found in the files.
async fn found(world: &World) -> usize {
    let answer = world.get("/api/v1/audit?what=reload").await;
    answer.text().lines().count()
}

async fn until_found(world: &World, times: usize) {
    within(async {
        while found(world).await < times {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn lanes(timeline: &Timeline) -> Vec<&str> {
    let names = timeline.lanes.iter();
    names.map(|lane| lane.name.as_str()).collect()
}

/// `WHAT by WHO: WHY, for MINUTES`, with a `?` for what is not known.
fn told(timeline: &Timeline) -> Vec<String> {
    let tell = |band: &Band| {
        let what = match &band.held {
            Held::Everything => "everything",
            Held::Group(name) => name,
            Held::Machine(name) => name.as_str(),
        };
        let minutes = band
            .to
            .map(|to| (to.0 - band.from.0 + 30_000).div_euclid(60_000));
        let minutes = minutes.map_or_else(|| "?".to_owned(), |minutes| minutes.to_string());
        format!(
            "{what} by {}: {}, for {minutes}",
            band.by.as_deref().unwrap_or("?"),
            band.reason.as_deref().unwrap_or("?")
        )
    };
    timeline.maintenance.iter().map(tell).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_of_the_past_is_in_the_lanes_that_it_concerned() {
    let mut world = World::new(&[("db.yaml", DB), ("web.yaml", WEB)]).await;
    world.pass(MINUTE);
    let edit = |global: bool, groups: &[&str], machines: &[&str], reason: &str| json!({"global": global, "groups": groups, "machines": machines, "reason": reason, "until": null});
    let began = save(&world, edit(true, &[], &[], "kernel")).await;
    world.pass(10 * MINUTE);
    // The next one begins as this one ends; nobody is left of it.
    save(&world, edit(false, &["db"], &["web2"], "disks")).await;
    world.pass(5 * MINUTE);
    let mut ends = edit(false, &["db"], &["web2"], "disks");
    ends["until"] = json!((world.now() + 5 * MINUTE).0.to_string());
    save(&world, ends).await;
    // Nothing changes when it is over.
    world.pass(20 * MINUTE);
    // By hand, and ended while the server is down.
    let before = found(&world).await;
    world.write(
        "maintenance.yaml",
        "saltpeter_maintenance: {machines: [db1], by: olga, reason: fans}\n",
    );
    until_found(&world, before + 1).await;
    world.pass(5 * MINUTE);
    world.stop().await;
    world.write("maintenance.yaml", "saltpeter_maintenance: {}\n");
    world.start().await;

    let at = world.now().0;
    let jobs = timeline(&world, &format!("span=7200&at={at}")).await;
    assert_eq!(
        told(&jobs),
        [
            "everything by 127.0.0.1: kernel, for 10",
            "db by 127.0.0.1: disks, for 10"
        ]
    );
    let from = jobs.maintenance[0].from;
    assert!(from <= began && from + MINUTE > began, "{from:?}");
    // It ran as little as its group let it, and is there all the same.
    let nightly = jobs
        .lanes
        .iter()
        .find(|lane| lane.name == world.own("nightly~"));
    let nightly = nightly.unwrap();
    assert_eq!(nightly.group.as_deref(), Some("db"));
    assert!(nightly.bars.is_empty() && nightly.due.is_empty() && !nightly.maintenance);
    assert!(lanes(&jobs).contains(&world.own("often~").as_str()));

    let machines = timeline(&world, &format!("span=7200&at={at}&by=machine")).await;
    assert_eq!(
        told(&machines),
        [
            "everything by 127.0.0.1: kernel, for 10",
            "web2 by 127.0.0.1: disks, for 10",
            "db1 by olga: fans, for 5",
        ]
    );
    assert!(lanes(&machines).contains(&"db1") && lanes(&machines).contains(&"web2"));
    let one = timeline(&world, &format!("span=7200&at={at}&by=machine&q=db")).await;
    assert_eq!(lanes(&one), ["db1"]);
    assert_eq!(told(&one).len(), 2);

    // Of a span after it there is nothing, and within it there is all of it.
    let after = timeline(&world, &format!("span=120&at={at}")).await;
    assert_eq!(told(&after), [""; 0]);
    let within = began.0 + 5 * 60_000;
    let within = timeline(&world, &format!("span=120&at={within}")).await;
    assert_eq!(told(&within), ["everything by 127.0.0.1: kernel, for 10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_that_was_there_at_the_start_began_when_it_says() {
    let held = "saltpeter_maintenance: {global: true, since: 2020-01-01T00:00:00Z, by: olga}\n";
    let world = World::new(&[("web.yaml", WEB), ("maintenance.yaml", held)]).await;
    let now = timeline(&world, "span=7200").await;
    assert_eq!(told(&now), ["everything by olga: ?, for ?"]);
    let since = UnixMillis(1_577_836_800_000);
    assert_eq!(now.maintenance[0].from, since);
    // Nobody knows when it ends: it is not drawn ahead.
    let ahead = world.now() + 120 * MINUTE;
    let ahead = timeline(&world, &format!("span=3600&at={}", ahead.0)).await;
    assert_eq!(told(&ahead), [""; 0]);
}
