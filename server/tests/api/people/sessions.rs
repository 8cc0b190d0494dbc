//! How long somebody stays logged in, and what ends it.

use super::browser::{Browser, origin};
use super::{PASSWORD, another, is_anywhere, with_admin};
use crate::world::World;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

async fn is_in(world: &World, who: &Browser) -> bool {
    let answer = who.fetch(world, "GET", "/api/v1/overview", "").await;
    answer.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
    let (world, ana) = with_admin().await;
    world.pass(HOUR * 11);
    assert!(is_in(&world, &ana).await);
    world.pass(HOUR * 11);
    assert!(is_in(&world, &ana).await, "it was used in between");
    let mut again = Browser::new();
    again.log_in(&world, "ana", PASSWORD).await;
    world.pass(HOUR * 12);
    assert!(!is_in(&world, &ana).await && !is_in(&world, &again).await);

    again.log_in(&world, "ana", PASSWORD).await;
    for _ in 0..15 {
        world.pass(HOUR * 11);
        assert!(is_in(&world, &again).await);
    }
    world.pass(HOUR * 4);
    assert!(!is_in(&world, &again).await, "a week is the longest");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_is_out_with_the_same_cookie_too() {
    let (world, mut ana) = with_admin().await;
    let kept = ana.clone();
    let mut other = Browser::new();
    other.log_in(&world, "ana", PASSWORD).await;
    let out = ana.submit(&world, "/logout", &[]).await;
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert_eq!(ana.cookie(), "");
    assert!(!is_in(&world, &kept).await, "the session itself has ended");
    assert!(is_in(&world, &other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_everywhere_ends_every_session_and_open_sockets() {
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "viewer", "").await;
    let mut phone = Browser::new();
    phone.log_in(&world, "bor", PASSWORD).await;
    let page = bor.go(&world, "/account").await.text();
    assert_eq!(
        page.matches(r#"data-testid="session""#).count(),
        2,
        "{page}"
    );
    let (own, cookie) = (origin(&world), phone.cookie());
    let mut socket = world
        .socket_with(&[("Cookie", &cookie), ("Origin", &own)])
        .await
        .unwrap();
    socket.next().await;
    let everywhere = [("everywhere", "true")];
    assert_eq!(bor.submit(&world, "/logout", &everywhere).await.status, 303);
    socket.until_closed().await;
    assert!(!is_in(&world, &phone).await && !is_in(&world, &bor).await);
    assert!(is_in(&world, &ana).await, "others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_ones_own_sessions_can_be_ended_and_nobody_elses() {
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "viewer", "").await;
    // Sessions are numbered in the order of the logins: 1 is ana's.
    bor.submit(&world, "/account/sessions/end", &[("session", "1")])
        .await;
    assert!(is_in(&world, &ana).await);
    let mut phone = Browser::new();
    phone.log_in(&world, "bor", PASSWORD).await;
    bor.submit(&world, "/account/sessions/end", &[("session", "3")])
        .await;
    assert!(!is_in(&world, &phone).await && is_in(&world, &bor).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions() {
    const NEW: &str = "another long password";
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "viewer", "").await;
    let mut phone = Browser::new();
    phone.log_in(&world, "bor", PASSWORD).await;
    for (present, new, again, status) in [
        ("wrong wrong wrong", NEW, NEW, 422),
        (PASSWORD, NEW, "not the same one", 422),
        (PASSWORD, "short", "short", 422),
        (PASSWORD, NEW, NEW, 303),
    ] {
        let fields = [("present", present), ("new", new), ("again", again)];
        let answer = bor.submit(&world, "/account/password", &fields).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert!(is_in(&world, &bor).await && !is_in(&world, &phone).await);
    assert_eq!(phone.log_in(&world, "bor", PASSWORD).await.status, 401);
    assert_eq!(phone.log_in(&world, "bor", NEW).await.status, 303);

    // An admin sets another one: all of them end.
    let fields = [("name", "bor"), ("password", PASSWORD)];
    assert_eq!(
        ana.submit(&world, "/users/password", &fields).await.status,
        303
    );
    assert!(!is_in(&world, &bor).await && !is_in(&world, &phone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_so_many_sessions_and_none_of_their_keys_is_kept() {
    let (mut world, mut ana) = with_admin().await;
    let first = ana.clone();
    for _ in 0..50 {
        let answer = ana.log_in(&world, "ana", PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
    }
    assert!(!is_in(&world, &first).await && is_in(&world, &ana).await);
    let key = ana.key().to_owned();
    assert_eq!(key.len(), 64);
    world.stop().await;
    assert!(!is_anywhere(world.path(), &key));
    assert!(!is_anywhere(world.path(), PASSWORD));
    assert!(is_anywhere(world.path(), "$argon2id$v=19$m=19456,t=2,p=1$"));
}
