//! Pages that are made at once.

use crate::http;
use crate::world::{World, within};

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_answered_while_other_servers_start() {
    let world = World::new(&[]).await;
    let others = tokio::spawn(async {
        for _ in 0..16 {
            World::new(&[]).await;
        }
    });
    while !others.is_finished() {
        let page = within(world.request("GET", "/", &[("Accept", "text/html")], "")).await;
        assert_eq!(page.status, 200);
    }
    others.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_a_slash_at_its_end_leads_to_the_one_without() {
    let world = World::new(&[]).await;
    let page = [("Accept", "text/html")];
    for (path, address) in [
        ("/runs/", "/runs"),
        (
            "/machines/?q=a%20b&sort=silent",
            "/machines?q=a%20b&sort=silent",
        ),
        ("/account/", "/account"),
        ("/status/", "/status"),
        ("/%2F/evil.example/", "/%2F/evil.example"),
    ] {
        let answer = world.request("GET", path, &page, "").await;
        let location = answer.header("location");
        assert_eq!((answer.status, location), (308, Some(address)), "{path}");
    }
    // What a browser would take for another host.
    for path in ["//evil.example/", "/\\evil.example/", "///", "/nope"] {
        let answer = world.request("GET", path, &page, "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (404, None),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_shown_says_why_in_a_sentence() {
    let world = World::new(&[]).await;
    let page = world
        .request("GET", "/jobs/nope", &[("Accept", "text/html")], "")
        .await;
    assert_eq!(page.status, 404);
    assert!(page.text().contains(">There is no job nope in /"));
}

/// Leptos puts a page's title together in a thread that may know nothing of the page, or may know another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn pages_that_are_made_at_once_have_each_their_own_title() {
    let jobs = (0..16).map(|n| format!("job{n}"));
    let lines: Vec<String> = jobs
        .clone()
        .map(|job| format!("{job}: {{schedule: '@yearly', targets: web1, command: 'true'}}\n"))
        .collect();
    let world = World::new(&[("jobs.yaml", &lines.concat())]).await;
    let addr = world.addr();
    for _ in 0..8 {
        let pages = jobs.clone().flat_map(|job| {
            [
                (format!("/jobs/{job}"), format!("{job} · Saltpeter")),
                (
                    format!("/jobs/{job}/edit"),
                    format!("{job}, edit · Saltpeter"),
                ),
            ]
        });
        let answers: Vec<_> = pages
            .map(|(path, title)| {
                tokio::spawn(async move {
                    let headers = [("Accept", "text/html")];
                    let page = http::request(addr, "GET", &path, &headers, b"").await;
                    let title = format!("<title>{title}</title>");
                    assert!(page.text().contains(&title), "{path}: no {title}");
                })
            })
            .collect();
        for answer in answers {
            within(answer).await.unwrap();
        }
    }
}
