//! Admins alone change jobs, and see their text, which has secrets in it.

use super::{another, token, with_admin};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn admins_alone_edit_jobs() {
    let (world, mut ana) = with_admin().await;
    let vid = another(&world, &mut ana, "vid", "viewer", "").await;
    let olga = another(&world, &mut ana, "olga", "operator", "").await;
    let before = world.read("db.yaml");
    let page = ana
        .fetch(&world, "GET", "/api/v1/editor?job=hello~", "")
        .await;
    assert_eq!(page.status, 200, "{}", page.text());
    let edit = json!({
        "file": "db.yaml", "version": page.json()["version"],
        "change": "delete", "job": world.own("hello~"),
    })
    .to_string();
    for (method, path, body) in [
        ("GET", "/api/v1/editor?job=hello~", ""),
        ("GET", "/api/v1/editor", ""),
        ("POST", "/api/v1/editor/check", edit.as_str()),
        ("POST", "/api/v1/editor/preview", &edit),
        ("PUT", "/api/v1/editor", &edit),
    ] {
        for who in [&vid, &olga] {
            let answer = who.fetch(&world, method, path, body).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
            assert!(answer.error().1.contains("takes the role admin"));
        }
        let answer = world.request(method, path, &[], body).await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
    }
    // A page of the dashboard has no more in it than its reader may see.
    let mut vid = vid;
    let page = vid.go(&world, "/jobs/hello~/edit").await;
    assert!(!page.text().contains("targets: web1"), "{}", page.text());
    assert_eq!(world.read("db.yaml"), before);

    // A program with a token may what the token's role may.
    let viewer = token(&world, &mut ana, "watch", "viewer", "").await;
    let admin = token(&world, &mut ana, "deploy", "admin", "").await;
    for (bearer, status) in [(viewer, 403), (admin, 200)] {
        let headers = [("Authorization", bearer.as_str())];
        let answer = world
            .request("PUT", "/api/v1/editor", &headers, &edit)
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert!(!world.read("db.yaml").contains(&world.own("hello~:")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_look_may_convert_a_crontab() {
    let (world, mut ana) = with_admin().await;
    let vid = another(&world, &mut ana, "vid", "viewer", "").await;
    let body = json!({"crontab": "@daily x", "targets": "*"}).to_string();
    let path = "/api/v1/import/crontab";
    assert_eq!(vid.fetch(&world, "POST", path, &body).await.status, 200);
    assert_eq!(world.request("POST", path, &[], &body).await.status, 401);
}
