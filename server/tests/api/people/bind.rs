//! Where a server listens that nobody can log in to.

use super::with_admin;
use crate::world::World;
use saltpeter_server::people::Auth;
use std::net::{IpAddr, Ipv4Addr};

const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[tokio::test(flavor = "multi_thread")]
async fn without_users_it_listens_on_loopback_alone_unless_told_otherwise_by_name() {
    let mut world = World::guarded(&[]).await;
    assert!(world.addr().ip().is_loopback());
    world.stop().await;
    world.api_addr = EVERYWHERE;
    world.start().await;
    assert!(world.addr().ip().is_loopback(), "{}", world.addr());
    assert!(world.first_link().unwrap().starts_with("http://127.0.0.1:"));
    world.stop().await;
    world.auth = Auth::InsecureNone;
    world.start().await;
    assert_eq!(world.addr().ip(), EVERYWHERE);
    assert_eq!(world.first_link(), None);
    // Then whoever comes may do everything.
    assert_eq!(world.get("/api/v1/overview").await.status, 200);
    let page = world
        .request("GET", "/", &[("Accept", "text/html")], "")
        .await;
    assert!(page.text().contains(r#"data-visitor="anybody""#));
    let account = world
        .request("GET", "/account", &[("Accept", "text/html")], "")
        .await;
    assert!(account.text().contains("--insecure-no-auth"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_users_it_listens_where_it_is_told() {
    let (mut world, ana) = with_admin().await;
    let page = ana.clone().go(&world, "/").await;
    assert!(page.text().contains(r#"data-visitor="admin""#));
    world.stop().await;
    world.api_addr = EVERYWHERE;
    world.start().await;
    assert_eq!(world.addr().ip(), EVERYWHERE);
    assert_eq!(world.get("/api/v1/overview").await.status, 401);
}
