//! A reverse proxy that logs people in.

use super::browser::origin;
use super::{PASSWORD, with_admin};
use crate::world::World;

const NAMED: &str = "X-Remote-User";

async fn behind(from: &str) -> (World, super::browser::Browser) {
    let (mut world, mut ana) = with_admin().await;
    let fields = [("name", "bor"), ("role", "operator"), ("groups", "db")];
    assert_eq!(ana.submit(&world, "/users", &fields).await.status, 303);
    world.write(
        "proxy.yaml",
        &format!("saltpeter_config:\n  auth_proxy: {{from: [{from}], header: {NAMED}}}\n"),
    );
    world.stop().await;
    world.start().await;
    (world, ana)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_is_believed_from_the_proxys_address_alone() {
    let named = [(NAMED, "bor")];
    let (world, _) = behind("10.0.0.1, 192.168.0.0/16").await;
    assert_eq!(
        world.request("GET", "/running", &named, "").await.status,
        401
    );
    let forwarded = [(NAMED, "bor"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(
        world
            .request("GET", "/running", &forwarded, "")
            .await
            .status,
        401
    );

    let (world, _) = behind("127.0.0.0/8").await;
    assert_eq!(
        world.request("GET", "/running", &named, "").await.status,
        200
    );
    // Names without an account, no name, and two names are nobody.
    for headers in [
        &[(NAMED, "eve")][..],
        &[(NAMED, "")],
        &[(NAMED, "<b>")],
        &[(NAMED, "bor"), (NAMED, "ana")],
        &[("X-Remote-Users", "bor")],
    ] {
        let answer = world.request("GET", "/running", headers, "").await;
        assert_eq!(answer.status, 401, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_through_the_proxy_has_their_role_and_is_safe_from_other_sites() {
    let (world, ana) = behind("127.0.0.1").await;
    let own = origin(&world);
    let named = (NAMED, "Bor");
    let job = world.own("hello~");
    let refused = world.request("POST", "/runnow/hello~", &[named], "").await;
    assert_eq!(refused.status, 403, "no page of the dashboard sent it");
    let answer = world
        .request("POST", "/runnow/hello~", &[named, ("Origin", &own)], "")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let run = answer.json()["instance"].as_str().unwrap().to_owned();
    assert!(run.starts_with(&job));
    let detail = ana
        .fetch(&world, "GET", &format!("/api/v1/runs/{run}"), "")
        .await
        .json();
    assert_eq!(detail["summary"]["cause"]["by"], "bor");
    let refused = world
        .request("POST", "/runnow/web~", &[named, ("Origin", &own)], "")
        .await;
    assert_eq!(refused.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_by_the_address_before_the_proxy() {
    let (world, _) = behind("127.0.0.1").await;
    let own = origin(&world);
    let guess = async |name: &str, forwarded: &str, password: &str| {
        let headers = [
            ("Origin", own.as_str()),
            ("X-Forwarded-For", forwarded),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let body = format!("name={name}&password={}", password.replace(' ', "+"));
        world
            .request("POST", "/login", &headers, &body)
            .await
            .status
    };
    for _ in 0..11 {
        assert_eq!(
            guess("ana", "6.6.6.6, 203.0.113.7", "wrong wrong").await,
            401
        );
    }
    // What the visitor wrote into the header does not count; what the proxy added does.
    assert_eq!(guess("ana", "7.7.7.7, 203.0.113.7", PASSWORD).await, 429);
    assert_eq!(guess("ana", "203.0.113.8", PASSWORD).await, 303);
    // Nor when what the proxy added cannot be read.
    for number in 0..11 {
        let forwarded = format!("10.1.1.{number}, 203.0.113.9:4711");
        assert_eq!(guess("zoe", &forwarded, "wrong wrong").await, 401);
    }
    assert_eq!(
        guess("ana", "10.1.1.99, 203.0.113.9:4711", PASSWORD).await,
        429
    );
}
