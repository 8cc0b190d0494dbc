//! What each role may do, on every route that changes something, and whose name stands in the history.

use super::browser::Browser;
use super::{another, token, with_admin};
use crate::http::Response;
use crate::world::World;
use saltpeter_protocol::RunId;
use serde_json::{Value, json};

/// How a change is asked for.
async fn ask(world: &World, who: &Browser, path: &str, body: &str) -> Response {
    who.fetch(world, "POST", path, body).await
}

fn forbidden(answer: &Response, sentence: &str) {
    assert_eq!(answer.status, 403, "{}", answer.text());
    let (code, message) = answer.error();
    assert_eq!(code, "forbidden");
    assert!(message.contains(sentence), "{message}");
}

async fn started(world: &World, who: &Browser, job: &str) -> RunId {
    let answer = ask(world, who, &format!("/api/v1/jobs/{job}/run"), "").await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["run"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let (world, mut ana) = with_admin().await;
    let run = started(&world, &ana, "hello~").await;
    let mut vid = another(&world, &mut ana, "vid", "viewer", "").await;
    for path in [
        "/api/v1/overview",
        "/api/v1/jobs/hello~",
        &format!("/api/v1/runs/{run}"),
        "/api/v1/runs",
        "/api/v1/machines",
        "/api/v1/timeline",
        "/api/v1/maintenance",
        "/api/v1/config",
        "/running",
        "/status",
        "/config",
    ] {
        assert_eq!(
            vid.fetch(&world, "GET", path, "").await.status,
            200,
            "{path}"
        );
    }
    let sentence = "takes the role operator, and yours is viewer";
    let job = world.own("hello~");
    for (path, body) in [
        ("/api/v1/jobs/hello~/run", ""),
        ("/api/v1/jobs/hello~/kill", ""),
        ("/api/v1/jobs/hello~/pause", r#"{"paused":true}"#),
        (&format!("/api/v1/runs/{run}/kill"), ""),
        (&format!("/api/v1/runs/{run}/again"), ""),
        ("/runnow/hello~", ""),
        ("/kill", &format!(r#"{{"job":"{job}"}}"#)),
    ] {
        forbidden(&ask(&world, &vid, path, body).await, sentence);
    }
    let edit = json!({"version": "x", "global": true, "machines": [], "reason": null}).to_string();
    forbidden(
        &ask(&world, &vid, "/api/v1/maintenance/diff", &edit).await,
        sentence,
    );
    let saved = vid.fetch(&world, "PUT", "/api/v1/maintenance", &edit).await;
    forbidden(&saved, sentence);
    // It answers questions about any machine that one likes to ask.
    let preview = ask(&world, &vid, "/api/v1/preview", r#"{"yaml":""}"#).await;
    forbidden(&preview, sentence);
    administers_nothing(&world, &mut vid).await;
}

/// The pages and forms for admins.
async fn administers_nothing(world: &World, who: &mut Browser) {
    for path in ["/users", "/tokens"] {
        let page = who.go(world, path).await;
        assert_eq!(page.status, 403, "{path}");
        assert!(
            page.text().contains("takes the role admin"),
            "{}",
            page.text()
        );
        assert!(!page.text().contains("<form"), "{path}");
    }
    let user = [
        ("name", "eve"),
        ("role", "admin"),
        ("password", super::PASSWORD),
    ];
    let own = [("name", "vid"), ("role", "admin")];
    let password = [("name", "ana"), ("password", super::PASSWORD)];
    let token = [("name", "t"), ("role", "admin"), ("days", "1")];
    for (path, fields) in [
        ("/users", &user[..]),
        ("/users/access", &own),
        ("/users/password", &password),
        ("/users/remove", &[("name", "ana")]),
        ("/tokens", &token),
        ("/tokens/remove", &[("name", "t")]),
    ] {
        let answer = who.submit(world, path, fields).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_to_the_groups_that_are_granted() {
    let (world, mut ana) = with_admin().await;
    let mut olga = another(&world, &mut ana, "olga", "operator", "db").await;
    let run = started(&world, &olga, "long~").await;
    assert_eq!(world_cause(&world, &ana, &run).await, "olga");
    let web = started(&world, &ana, "long-web~").await;

    let sentence = "jobs of db, and this one is of the group web";
    for (path, body) in [
        ("/api/v1/jobs/web~/run", ""),
        ("/api/v1/jobs/long-web~/kill", ""),
        ("/api/v1/jobs/web~/pause", r#"{"paused":true}"#),
        (&format!("/api/v1/runs/{web}/kill"), ""),
        (&format!("/api/v1/runs/{web}/again"), ""),
        ("/runnow/web~", ""),
    ] {
        forbidden(&ask(&world, &olga, path, body).await, sentence);
    }
    // Maintenance takes machines out of everybody's jobs.
    let page = olga
        .fetch(&world, "GET", "/api/v1/maintenance", "")
        .await
        .json();
    let edit = json!({"version": page["version"], "global": true, "machines": [], "reason": null});
    let saved = olga
        .fetch(&world, "PUT", "/api/v1/maintenance", &edit.to_string())
        .await;
    forbidden(
        &saved,
        "nothing else of it, and this changes global maintenance",
    );
    maintains_their_group_alone(&world, &mut olga).await;

    let paused = ask(
        &world,
        &olga,
        "/api/v1/jobs/hello~/pause",
        r#"{"paused":true}"#,
    )
    .await;
    assert_eq!(paused.json()["paused"]["by"], "olga");
    let killed = ask(&world, &olga, &format!("/api/v1/runs/{run}/kill"), "").await;
    assert_eq!(killed.status, 204, "{}", killed.text());
    let detail = ana
        .fetch(&world, "GET", &format!("/api/v1/runs/{run}"), "")
        .await
        .json();
    assert_eq!(detail["summary"]["kill"]["by"], "olga");
    // By this the page hides its buttons from those of other groups.
    assert_eq!(detail["group"], "db");
    let killed = ask(&world, &ana, &format!("/api/v1/runs/{web}/kill"), "").await;
    assert_eq!(killed.status, 204);
    administers_nothing(&world, &mut olga).await;

    // More is granted, and holds from the next request on.
    let fields = [("name", "olga"), ("role", "operator"), ("groups", "")];
    assert_eq!(
        ana.submit(&world, "/users/access", &fields).await.status,
        303
    );
    let page = olga.fetch(&world, "GET", "/api/v1/maintenance", "").await;
    let version = &page.json()["version"];
    let edit = json!({"version": version, "global": true, "machines": [], "reason": null});
    let saved = olga
        .fetch(&world, "PUT", "/api/v1/maintenance", &edit.to_string())
        .await;
    assert_eq!(saved.status, 200, "{}", saved.text());
}

/// Maintenance of the group `db`, and of nothing else.
async fn maintains_their_group_alone(world: &World, olga: &mut Browser) {
    let path = "/api/v1/maintenance";
    let current = |page: &Value| page["current"].clone();
    let page = olga.fetch(world, "GET", path, "").await.json();
    let edit = |page: &Value, groups: Value, machines: Value| {
        json!({"version": page["version"], "global": false, "groups": groups, "machines": machines, "reason": "upgrade"})
            .to_string()
    };
    let put = async |body: String| olga.fetch(world, "PUT", path, &body).await;
    forbidden(
        &put(edit(&page, json!(["db", "web"]), json!([]))).await,
        "this changes maintenance of web",
    );
    forbidden(
        &put(edit(&page, json!(["db"]), json!(["web1"]))).await,
        "this changes maintenance of machines",
    );
    let saved = put(edit(&page, json!(["db"]), json!([]))).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    let page = saved.json();
    assert_eq!(current(&page)["groups"], json!(["db"]));
    let refused = ask(world, olga, "/api/v1/jobs/hello~/run", "").await;
    assert_eq!(
        (refused.status, refused.error().0.as_str()),
        (409, "maintenance")
    );
    assert!(
        refused
            .error()
            .1
            .contains("the group db is under maintenance (upgrade)")
    );
    let over = put(edit(&page, json!([]), json!([]))).await;
    assert_eq!(over.status, 200, "{}", over.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_or_explains_maintenance_of_others() {
    let (world, mut ana) = with_admin().await;
    let olga = another(&world, &mut ana, "olga", "operator", "db").await;
    let path = "/api/v1/maintenance";
    let put =
        async |who: &Browser, edit: Value| who.fetch(&world, "PUT", path, &edit.to_string()).await;
    let page = ana.fetch(&world, "GET", path, "").await.json();
    let edit = |page: &Value, groups: &[&str]| json!({"version": page["version"], "global": true, "groups": groups, "machines": [], "reason": "disks"});
    let on = put(&ana, edit(&page, &["web"])).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let page = on.json();
    let text = world.read("maintenance.yaml");
    for (key, value, what) in [
        ("until", json!("2099-01-01T00:00"), "this changes the end"),
        ("reason", json!("all is well"), "this changes the reason"),
        ("global", json!(false), "this changes global maintenance"),
        ("groups", json!([]), "this changes maintenance of web"),
    ] {
        let mut wrong = edit(&page, &["web"]);
        wrong[key] = value;
        let body = wrong.to_string();
        let asked = olga.fetch(&world, "POST", "/api/v1/maintenance/diff", &body);
        forbidden(&asked.await, what);
        forbidden(&put(&olga, wrong).await, what);
    }
    assert_eq!(world.read("maintenance.yaml"), text, "nothing was written");
    // An old edit is a conflict and not a denial, and what was changed on disk is not taken back by it.
    world.write("maintenance.yaml", &format!("{text}# by hand\n"));
    let stale = put(&olga, edit(&page, &["db", "web"])).await;
    assert_eq!((stale.status, stale.error().0.as_str()), (409, "conflict"));
    let page = olga.fetch(&world, "GET", path, "").await.json();
    let both = put(&olga, edit(&page, &["db", "web"])).await;
    assert_eq!(both.status, 200, "{}", both.text());
    assert_eq!(both.json()["current"]["groups"], json!(["db", "web"]));

    let trail = ana.fetch(&world, "GET", "/api/v1/audit?who=olga", "").await;
    let trail = trail.text();
    for told in [
        "global on, groups [web], machines [], reason disks",
        "global on, groups [db, web], machines [], reason disks",
        "nothing else of it, and this changes the end",
    ] {
        assert!(trail.contains(told), "{told} in {trail}");
    }
}

async fn world_cause(world: &World, who: &Browser, run: &RunId) -> String {
    let detail = who
        .fetch(world, "GET", &format!("/api/v1/runs/{run}"), "")
        .await;
    detail.json()["summary"]["cause"]["by"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_what_its_role_and_groups_allow() {
    let (world, mut ana) = with_admin().await;
    let web = token(&world, &mut ana, "deploy", "operator", "web").await;
    let bearer = [("Authorization", web.as_str())];
    // Programs say nothing of where they come from.
    let run = world.request("POST", "/runnow/web~", &bearer, "").await;
    assert_eq!(run.status, 200, "{}", run.text());
    let run: RunId = run.json()["instance"].as_str().unwrap().parse().unwrap();
    assert_eq!(world_cause(&world, &ana, &run).await, "token deploy");
    let refused = world.request("POST", "/runnow/hello~", &bearer, "").await;
    forbidden(&refused, "this one is of the group db");
    let refused = world.request("GET", "/users", &bearer, "").await;
    assert_eq!(refused.status, 403);

    let admin = token(&world, &mut ana, "ops", "admin", "").await;
    let bearer = [("Authorization", admin.as_str())];
    let users = world.request("GET", "/users", &bearer, "").await;
    assert_eq!(users.status, 200);
}
