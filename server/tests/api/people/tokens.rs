//! API tokens.

use super::{is_anywhere, token, with_admin};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_expires_and_is_kept_nowhere() {
    let (mut world, mut ana) = with_admin().await;
    let bearer = token(&world, &mut ana, "watch", "viewer", "").await;
    let secret = bearer.strip_prefix("Bearer ").unwrap();
    assert_eq!(secret.len(), "saltpeter_".len() + 64);
    let list = ana.go(&world, "/tokens").await.text();
    assert!(list.contains("watch") && !list.contains(secret) && list.contains("never"));

    let headers = [("Authorization", bearer.as_str())];
    let asked = world.request("GET", "/api/v1/overview", &headers, "").await;
    assert_eq!(asked.status, 200);
    let list = ana.go(&world, "/tokens").await.text();
    assert!(!list.contains("never"), "its use is noted");

    // Whoever shows a token that is none is not let in by a cookie instead.
    let cookie = ana.cookie();
    let both = [("Authorization", "Bearer x"), ("Cookie", cookie.as_str())];
    assert_eq!(
        world
            .request("GET", "/api/v1/overview", &both, "")
            .await
            .status,
        401
    );

    world.pass(Duration::from_hours(24 * 30 - 1));
    assert_eq!(
        world
            .request("GET", "/api/v1/overview", &headers, "")
            .await
            .status,
        200
    );
    world.pass(Duration::from_hours(1));
    assert_eq!(
        world
            .request("GET", "/api/v1/overview", &headers, "")
            .await
            .status,
        401
    );
    world.stop().await;
    assert!(!is_anywhere(world.path(), secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_removed_is_out_at_once_and_its_socket_too() {
    let (world, mut ana) = with_admin().await;
    let bearer = token(&world, &mut ana, "watch", "viewer", "").await;
    let headers = [("Authorization", bearer.as_str())];
    let mut socket = world.socket_with(&headers).await.unwrap();
    socket.next().await;
    let removed = ana
        .submit(&world, "/tokens/remove", &[("name", "watch")])
        .await;
    assert_eq!(removed.status, 303);
    socket.until_closed().await;
    assert_eq!(
        world
            .request("GET", "/api/v1/overview", &headers, "")
            .await
            .status,
        401
    );
    let again = ana
        .submit(&world, "/tokens/remove", &[("name", "watch")])
        .await;
    assert_eq!(again.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_token_is_refused_with_a_sentence() {
    let (world, mut ana) = with_admin().await;
    token(&world, &mut ana, "deploy", "viewer", "").await;
    for (name, role, days, sentence) in [
        ("deploy", "viewer", "1", "There is a token deploy already"),
        (
            "<b>",
            "viewer",
            "1",
            "A token&#39;s name has 1 to 64 letters",
        ),
        ("t", "king", "1", "There is no role"),
        ("t", "viewer", "0", "1 to 3650 days"),
        ("t", "viewer", "9999", "1 to 3650 days"),
    ] {
        let fields = [("name", name), ("role", role), ("days", days)];
        let answer = ana.submit(&world, "/tokens", &fields).await;
        assert_eq!(answer.status, 422, "{name}");
        let text = answer.text().replace("&#39;", "'").replace("&quot;", "\"");
        assert!(text.contains(&sentence.replace("&#39;", "'")), "{text}");
    }
}
