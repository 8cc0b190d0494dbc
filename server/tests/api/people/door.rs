//! Who is let in, and how one gets to be.

use super::browser::Browser;
use super::{PASSWORD, another, with_admin};
use crate::world::World;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;

/// Every route that answers with something of this server's jobs or people.
const CLOSED: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/jobs/x"),
    ("GET", "/runs/x_1"),
    ("GET", "/maintenance"),
    ("GET", "/config"),
    ("GET", "/timeline"),
    ("GET", "/no/such/page"),
    ("GET", "/account"),
    ("GET", "/users"),
    ("GET", "/tokens"),
    ("GET", "/running"),
    ("GET", "/status"),
    ("POST", "/runnow/x"),
    ("POST", "/kill"),
    ("GET", "/api/v1/overview"),
    ("GET", "/api/v1/jobs/x"),
    ("POST", "/api/v1/jobs/x/run"),
    ("POST", "/api/v1/jobs/x/kill"),
    ("POST", "/api/v1/jobs/x/pause"),
    ("GET", "/api/v1/runs"),
    ("GET", "/api/v1/machines"),
    ("GET", "/api/v1/timeline"),
    ("GET", "/api/v1/runs/x_1"),
    ("POST", "/api/v1/runs/x_1/kill"),
    ("POST", "/api/v1/runs/x_1/again"),
    ("GET", "/api/v1/runs/x_1/machines/m/output"),
    ("GET", "/api/v1/runs/x_1/machines/m/output/raw"),
    ("GET", "/api/v1/runs/x_1/machines/m/output/search?q=a"),
    ("GET", "/api/v1/runs/x_1/output/lines?machines=m"),
    ("GET", "/api/v1/runs/x_1/output/same"),
    ("GET", "/api/v1/runs/x_1/output/archive"),
    ("GET", "/api/v1/maintenance"),
    ("PUT", "/api/v1/maintenance"),
    ("POST", "/api/v1/maintenance/diff"),
    ("GET", "/api/v1/config"),
    ("GET", "/api/v1/no/such/route"),
    ("GET", "/api/other"),
    ("GET", "/ws/live"),
    ("POST", "/logout"),
    ("POST", "/account/password"),
    ("POST", "/account/sessions/end"),
    ("POST", "/users"),
    ("POST", "/users/access"),
    ("POST", "/users/password"),
    ("POST", "/users/remove"),
    ("POST", "/tokens"),
    ("POST", "/tokens/remove"),
    // Other spellings of an open route are not open.
    ("GET", "/healthz/"),
    ("GET", "//healthz"),
    ("GET", "/login/../status"),
    ("GET", "/login/"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_a_few_is_closed_to_those_who_do_not_show_who_they_are() {
    let (world, _) = with_admin().await;
    let wrong = [
        ("Accept", "*/*"),
        ("Cookie", "saltpeter_session=0123456789abcdef"),
        ("Cookie", "saltpeter_session="),
        ("Authorization", "Bearer saltpeter_0000"),
        ("Authorization", "Basic YW5hOmNvcnJlY3QgaG9yc2U="),
        ("Authorization", "Bearer "),
        ("X-Remote-User", "ana"),
    ];
    for (method, path) in CLOSED {
        for header in wrong {
            let answer = world.request(method, path, &[header], "").await;
            assert_eq!(answer.status, 401, "{method} {path} with {header:?}");
            assert_eq!(answer.error().0, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let person = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
        let answer = world.request(method, path, &person, "").await;
        if *method == "GET" && !path.starts_with("/api/") {
            let location = answer.header("location").unwrap();
            assert_eq!(answer.status, 303, "{path}");
            assert!(location.starts_with("/login"), "{path}: {location}");
        } else {
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    for (path, status) in [
        ("/healthz", 200),
        ("/version", 200),
        ("/login", 200),
        ("/welcome", 410),
    ] {
        assert_eq!(world.get(path).await.status, status, "{path}");
    }
    let refused = world.try_socket().await.err();
    assert!(
        matches!(&refused, Some(Error::Http(answer)) if answer.status() == 401),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_link_makes_one_admin_once() {
    let mut world = World::guarded(&[]).await;
    let nobody = Browser::new().go(&world, "/login").await;
    assert!(nobody.text().contains("Nobody has an account yet"));
    let link = world.first_link().unwrap();
    let (_, code) = link.split_once("?code=").unwrap();
    assert_eq!(code.len(), 64);

    // Without the link's code there is no form, and none is taken.
    let fields = [("name", "eve"), ("password", PASSWORD), ("again", PASSWORD)];
    let mut eve = Browser::new();
    assert_eq!(eve.go(&world, "/welcome").await.status, 410);
    assert_eq!(eve.go(&world, "/welcome?code=00").await.status, 410);
    assert_eq!(eve.submit(&world, "/welcome", &fields).await.status, 410);

    let mut ana = Browser::new();
    ana.open_first_link(&world).await;
    let again = Browser::new()
        .go(&world, &format!("/welcome?code={code}"))
        .await;
    assert_eq!(again.status, 410, "the code is good once");
    for (name, password, again) in [
        ("ana", PASSWORD, "another password"),
        ("ana", "short", "short"),
        ("a b", PASSWORD, PASSWORD),
    ] {
        let fields = [("name", name), ("password", password), ("again", again)];
        let refused = ana.submit(&world, "/welcome", &fields).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    let fields = [("name", "Ana"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(ana.submit(&world, "/welcome", &fields).await.status, 303);
    assert!(
        ana.go(&world, "/account")
            .await
            .text()
            .contains("<h1>ana</h1>")
    );
    assert_eq!(ana.submit(&world, "/welcome", &fields).await.status, 410);
    world.stop().await;
    // Only now: while a server runs, the write-ahead log belongs to it.
    assert!(
        !super::is_anywhere(world.path(), code),
        "the code is kept nowhere"
    );
    world.start().await;
    assert_eq!(world.first_link(), None);
    assert!(
        ana.go(&world, "/account")
            .await
            .text()
            .contains("<h1>ana</h1>"),
        "sessions outlive the server"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_link_and_its_form_are_good_for_half_an_hour() {
    let world = World::guarded(&[]).await;
    let mut ana = Browser::new();
    ana.open_first_link(&world).await;
    world.pass(Duration::from_mins(31));
    let fields = [("name", "ana"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(ana.submit(&world, "/welcome", &fields).await.status, 410);
    let world = World::guarded(&[]).await;
    world.pass(Duration::from_mins(31));
    let link = world.first_link().unwrap();
    let path = &link[link.find("/welcome").unwrap()..];
    assert_eq!(Browser::new().go(&world, path).await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_logs_in_with_a_password_and_goes_on_to_where_one_wanted() {
    let (world, _) = with_admin().await;
    let mut browser = Browser::new();
    let led = browser.go(&world, "/jobs/hello?x=1").await;
    assert_eq!(
        led.header("location"),
        Some("/login?next=/jobs/hello%3Fx%3D1")
    );
    let form = browser.go(&world, "/login?next=/jobs/hello%3Fx%3D1").await;
    assert_eq!(form.status, 200);
    assert!(
        form.text()
            .contains(r#"name="next" value="/jobs/hello?x=1""#),
        "{}",
        form.text()
    );
    assert_eq!(form.header("cache-control"), Some("no-store"));
    assert_eq!(form.header("x-frame-options"), Some("DENY"));
    let policy = form.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );

    // Which of the two is wrong, is not said.
    let wrong = browser.log_in(&world, "ana", "wrong wrong wrong").await;
    let nobody = browser.log_in(&world, "zoe", "wrong wrong wrong").await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(wrong.text().replace("ana", "zoe"), nobody.text());

    for (next, location) in [
        ("/jobs/hello?x=1", "/jobs/hello?x=1"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
    ] {
        let fields = [("name", "ANA"), ("password", PASSWORD), ("next", next)];
        let answer = Browser::new().submit(&world, "/login", &fields).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(location))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_has_to_pause_even_with_the_right_password() {
    let (world, _) = with_admin().await;
    let mut eve = Browser::new();
    for _ in 0..11 {
        assert_eq!(
            eve.log_in(&world, "ana", "wrong wrong wrong").await.status,
            401
        );
    }
    let refused = eve.log_in(&world, "ana", PASSWORD).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    // Another name from the same address has to as well.
    assert_eq!(eve.log_in(&world, "bor", PASSWORD).await.status, 429);
    world.pass(Duration::from_secs(31));
    assert_eq!(eve.log_in(&world, "ana", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_more_than_many_in_a_row() {
    let (world, _) = with_admin().await;
    let guesses = (0..30).map(|_| {
        let world = &world;
        async move {
            Browser::new()
                .log_in(world, "ana", "wrong wrong wrong")
                .await
                .status
        }
    });
    let answers = futures::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    assert!(looked_at <= 11, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_out_at_once() {
    let (world, mut ana) = with_admin().await;
    let mut bor = another(&world, &mut ana, "bor", "viewer", "").await;
    assert_eq!(
        bor.fetch(&world, "GET", "/api/v1/overview", "")
            .await
            .status,
        200
    );
    let removed = ana
        .submit(&world, "/users/remove", &[("name", "bor")])
        .await;
    assert_eq!(removed.status, 303);
    assert_eq!(
        bor.fetch(&world, "GET", "/api/v1/overview", "")
            .await
            .status,
        401
    );
    assert_eq!(bor.log_in(&world, "bor", PASSWORD).await.status, 401);
    let last = ana
        .submit(&world, "/users/remove", &[("name", "ana")])
        .await;
    assert_eq!(last.status, 409);
    assert!(
        last.text().contains("ana is the only admin"),
        "{}",
        last.text()
    );
}
