//! What other sites can make a visitor's browser send.

use super::browser::origin;
use super::{PASSWORD, token, with_admin};
use tokio_tungstenite::tungstenite::Error;

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_alone_changes_nothing() {
    let (world, mut ana) = with_admin().await;
    let cookie = ana.cookie();
    let own = origin(&world);
    let changes = [
        ("POST", "/api/v1/jobs/hello~/run"),
        ("POST", "/api/v1/jobs/hello~/pause"),
        ("PUT", "/api/v1/maintenance"),
        ("PUT", "/api/v1/editor"),
        ("POST", "/api/v1/editor/check"),
        ("POST", "/api/v1/editor/preview"),
        ("POST", "/api/v1/import/crontab"),
        ("POST", "/runnow/hello~"),
        ("POST", "/kill"),
        ("POST", "/logout"),
        ("POST", "/users"),
        ("POST", "/users/remove"),
        ("POST", "/tokens"),
        ("POST", "/account/password"),
    ];
    let neighbour = format!("http://{}:1", world.addr().ip());
    for (method, path) in changes {
        for from in [
            None,
            Some(("Origin", "https://evil.example")),
            Some(("Origin", "null")),
            Some(("Origin", neighbour.as_str())),
            Some(("Sec-Fetch-Site", "cross-site")),
            Some(("Sec-Fetch-Site", "same-site")),
            Some(("Sec-Fetch-Site", "none")),
        ] {
            let mut headers = vec![
                ("Cookie", cookie.as_str()),
                ("Content-Type", "application/x-www-form-urlencoded"),
            ];
            headers.extend(from);
            let answer = world.request(method, path, &headers, "").await;
            assert!(
                matches!(answer.status, 400 | 403),
                "{method} {path} from {from:?}: {}",
                answer.status
            );
        }
    }
    // Nothing has come of any of them, and she is still logged in.
    let jobs = ana
        .fetch(&world, "GET", "/api/v1/overview", "")
        .await
        .json();
    assert!(
        jobs["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["active"] == serde_json::json!([]))
    );
    assert!(
        ana.go(&world, "/account")
            .await
            .text()
            .contains("<h1>ana</h1>")
    );
    let headers = [("Cookie", cookie.as_str()), ("Origin", own.as_str())];
    let answer = world.request("POST", "/runnow/hello~", &headers, "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_in_as_somebody_else_by_another_site() {
    let (world, _) = with_admin().await;
    let body = format!("name=ana&password={}", PASSWORD.replace(' ', "+"));
    let own = origin(&world);
    for (from, status) in [
        (Some(("Origin", "https://evil.example")), 400),
        (Some(("Sec-Fetch-Site", "cross-site")), 400),
        (None, 403),
        (Some(("Origin", own.as_str())), 303),
    ] {
        let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(from);
        let answer = world.request("POST", "/login", &headers, &body).await;
        assert_eq!(answer.status, status, "{from:?}");
        let sets = answer.header("set-cookie").is_some();
        assert_eq!(sets, status == 303, "{from:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_open_to_the_dashboards_own_pages_and_to_tokens() {
    let (world, mut ana) = with_admin().await;
    let (cookie, own) = (ana.cookie(), origin(&world));
    let turned_away = |answer: Option<Error>| match answer {
        Some(Error::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    };
    for (from, status) in [
        (("Origin", "https://evil.example"), 400),
        (("Origin", "null"), 400),
        (("Accept", "*/*"), 403),
    ] {
        let answer = world.socket_with(&[("Cookie", &cookie), from]).await;
        assert_eq!(turned_away(answer.err()), status, "{from:?}");
    }
    let mut socket = world
        .socket_with(&[("Cookie", &cookie), ("Origin", &own)])
        .await
        .unwrap();
    socket.next().await;
    let bearer = token(&world, &mut ana, "watch", "viewer", "").await;
    let mut socket = world
        .socket_with(&[("Authorization", &bearer)])
        .await
        .unwrap();
    socket.next().await;
    // The address of the socket has no room for a secret.
    let key = format!("/ws/live?token={}", &bearer[7..]);
    assert_eq!(world.get(&key).await.status, 401);
}
