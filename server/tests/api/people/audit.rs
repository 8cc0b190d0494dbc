//! What people do is put down with their names, and admins alone read it.

use super::browser::Browser;
use super::{PASSWORD, another, token, with_admin};
use crate::world::World;
use serde_json::{Value, json};

/// The whole trail, the oldest first.
async fn trail(world: &World, who: &Browser, query: &str) -> Vec<Value> {
    let answer = who
        .fetch(world, "GET", &format!("/api/v1/audit?{query}"), "")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_people_do_is_put_down_with_who_from_where_and_what() {
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "operator", "db").await;
    token(&world, &mut ana, "ci", "viewer", "").await;
    let refused = Browser::new()
        .log_in(&world, "bor", "not the password at all")
        .await;
    assert_ne!(refused.status, 303);
    for (path, body, status) in [
        ("/api/v1/jobs/long~/run", "", 201),
        ("/api/v1/jobs/long~/kill", "", 204),
        ("/api/v1/jobs/long~/pause", r#"{"paused":true}"#, 200),
        ("/api/v1/jobs/web~/run", "", 403),
    ] {
        let answer = bor.fetch(&world, "POST", path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let page = ana
        .fetch(&world, "GET", "/api/v1/maintenance", "")
        .await
        .json();
    let edit = json!({
        "version": page["version"], "global": false, "machines": ["web1"], "reason": "kernel",
    });
    let saved = ana
        .fetch(&world, "PUT", "/api/v1/maintenance", &edit.to_string())
        .await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    bor.submit(&world, "/logout", &[]).await;

    let entries = trail(&world, &ana, "").await;
    let told: Vec<String> = entries
        .iter()
        .map(|entry| {
            assert!(entry["at"].as_i64() > Some(0), "{entry}");
            let is_people = ["ana", "bor"].contains(&entry["who"].as_str().unwrap());
            assert!(!is_people || entry["from"] == "127.0.0.1", "{entry}");
            let deed = entry["deed"].as_str().unwrap();
            format!(
                "{}: {}: {deed} [{} -> {}]",
                entry["kind"].as_str().unwrap(),
                entry["who"].as_str().unwrap(),
                entry["old"].as_str().unwrap_or_default(),
                entry["new"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let told = told.join("\n");
    for wanted in [
        "action: ana: added the user bor, operator of db",
        "login: bor: logged in",
        "login_refused: bor: could not log in",
        &world.own("action: bor: ran long~ as "),
        "action: bor: killed ",
        &world.own("action: bor: paused long~"),
        "denied: bor: was denied something: ",
        "change: ana: changed maintenance in ",
        "kernel",
        "reload: the configuration's files: ",
        "logout: bor: logged out",
    ] {
        assert!(told.contains(wanted), "{wanted}\n\n{told}");
    }
    assert!(
        !told.contains(PASSWORD) && !told.contains("saltpeter_"),
        "{told}"
    );
    let bors = trail(&world, &ana, "who=bor&what=action").await;
    assert_eq!(bors.len(), 3, "{bors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_alone_read_the_trail() {
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "operator", "").await;
    let page = ana.go(&world, "/audit?what=login").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<td>bor</td>"), "{}", page.text());
    for path in ["/audit", "/api/v1/audit"] {
        let refused = bor.go(&world, path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("takes the role admin"), "{path}");
        let stranger = world.get(path).await;
        assert_ne!(stranger.status, 200, "{path}");
    }
    // That is in it, too.
    assert!(!trail(&world, &ana, "who=bor&what=denied").await.is_empty());
    let hostile = "\"><script>alert(1)</script>";
    let query = "who=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let page = ana.go(&world, &format!("/audit?{query}")).await;
    assert!(!page.text().contains(hostile), "{}", page.text());
}
