//! People who log in at a provider of `OpenID` Connect, and those who try to get in by it.

mod accounts;
mod forged;

use super::browser::Browser;
use super::provider::{Provider, SECRET, Signing};
use super::{PASSWORD, with_admin};
use crate::http::Response;
use crate::world::World;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A server that has an admin, `ana`, and a provider.
async fn with_provider() -> (World, Browser, Provider) {
    let provider = Provider::start().await;
    let (world, ana) = at_provider(&provider).await;
    (world, ana, provider)
}

async fn at_provider(provider: &Provider) -> (World, Browser) {
    let (mut world, ana) = with_admin().await;
    let secret = world.path().join("client-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let settings = provider
        .settings()
        .replace("~SECRET", &secret.display().to_string());
    world.write(
        "oidc.yaml",
        &format!("saltpeter_config:\n  oidc: {settings}\n"),
    );
    world.stop().await;
    world.start().await;
    (world, ana)
}

/// Begins a login; the address at the provider.
async fn begin(world: &World, browser: &mut Browser) -> String {
    let begun = browser.go(world, "/login/oidc?next=/jobs/hello").await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    begun.header("location").unwrap().to_owned()
}

/// A whole login; the answer to what the browser brings back.
async fn log_in(world: &World, provider: &Provider, browser: &mut Browser) -> Response {
    let there = begin(world, browser).await;
    let back = provider.log_in(&there).await;
    browser.go(world, &back).await
}

async fn is_in(world: &World, browser: &Browser) -> bool {
    let answer = browser.fetch(world, "GET", "/api/v1/overview", "").await;
    answer.status == 200
}

/// What the page says of why nobody was let in; nobody was.
async fn refused(world: &World, browser: &Browser, answer: &Response, status: u16) -> String {
    let page = answer.text();
    assert_eq!(answer.status, status, "{page}");
    assert!(!is_in(world, browser).await);
    assert!(!page.contains("<b>"), "{page}");
    let (_, rest) = page.split_once("data-testid=\"alert\">").expect(&page);
    rest.split_once("</p>").unwrap().0.to_owned()
}

/// The deeds in the audit trail, the newest last.
async fn trail(world: &World, admin: &Browser) -> Vec<(String, String)> {
    let answer = admin.fetch(world, "GET", "/api/v1/audit", "").await;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|entry: Value| (text(&entry, "who"), text(&entry, "deed")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_at_the_provider_has_a_session_and_the_role_of_their_groups() {
    let (world, ana, provider) = with_provider().await;
    let mut mia = Browser::new();
    let form = mia.go(&world, "/login?next=/jobs/hello").await.text();
    assert!(
        form.contains("Log in with Acme &lt;b&gt;SSO&lt;/b&gt;")
            && form.contains("href=\"/login/oidc?next=%2Fjobs%2Fhello\""),
        "{form}"
    );
    let answer = log_in(&world, &provider, &mut mia).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/jobs/hello")),
        "{}",
        answer.text()
    );
    assert!(!mia.cookie().contains("saltpeter_oidc"), "it is used up");
    let account = mia.go(&world, "/account").await.text();
    assert!(
        account.contains("<h1>mia</h1>") && account.contains("operator of db"),
        "{account}"
    );
    assert!(!account.contains("Current password"), "{account}");
    for (path, status) in [
        ("/api/v1/jobs/hello~/run", 201),
        ("/api/v1/jobs/web~/run", 403),
    ] {
        assert_eq!(mia.fetch(&world, "POST", path, "").await.status, status);
    }

    // Again, by a key of the other kind, and with the secret in the form.
    {
        let mut shared = provider.shared();
        shared.signing = Signing::Curve;
        shared.claims["preferred_username"] = json!("mia-renamed");
        shared.claims["groups"] = json!("admins");
    }
    let kept = mia.clone();
    let mut again = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut again).await.status, 303);
    // It is the same account, whatever it is called there now, and the role is the new one, at once and everywhere.
    let users = kept.fetch(&world, "GET", "/users", "").await;
    assert_eq!(users.text().matches("data-testid=\"user\"").count(), 2);

    again.submit(&world, "/logout", &[]).await;
    assert!(!is_in(&world, &again).await && is_in(&world, &kept).await);
    let told = trail(&world, &ana).await;
    for (who, deed) in [
        (
            "mia",
            "came from Acme <b>SSO</b> for the first time, operator of db",
        ),
        (
            "mia",
            "changed the role of mia, by the groups at Acme <b>SSO</b>",
        ),
        ("mia", "logged in"),
        ("mia", "logged out"),
    ] {
        let entry = (who.to_owned(), deed.to_owned());
        assert!(told.contains(&entry), "{entry:?} in {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_secret_goes_where_the_provider_wants_it() {
    let (world, _, provider) = with_provider().await;
    provider.shared().wants_post = true;
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    // A new one needs no restart; a wrong one is told of in the provider's words.
    std::fs::write(world.path().join("client-secret"), "another").unwrap();
    let mut other = Browser::new();
    let answer = log_in(&world, &provider, &mut other).await;
    let said = refused(&world, &other, &answer, 502).await;
    assert!(
        said.contains("401 Unauthorized (invalid_client: not &lt;this&gt; client)"),
        "{said}"
    );
    assert!(!said.contains("another"), "{said}");
    std::fs::remove_file(world.path().join("client-secret")).unwrap();
    let answer = log_in(&world, &provider, &mut other).await;
    let said = refused(&world, &other, &answer, 502).await;
    assert!(
        said.contains("client_secret") && said.contains("cannot be read"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_read_at_once_and_made_up_ones_cost_little() {
    let (world, _, provider) = with_provider().await;
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    assert_eq!(provider.shared().keys_read, 1, "they are kept");
    provider.shared().signing = Signing::Rsa(2);
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    assert_eq!(provider.shared().keys_read, 2, "the key is new");
    // The old key is not published any more, and good for nothing.
    provider.shared().signing = Signing::Unknown;
    let mut eve = Browser::new();
    for _ in 0..5 {
        let answer = log_in(&world, &provider, &mut eve).await;
        refused(&world, &eve, &answer, 403).await;
    }
    assert_eq!(provider.shared().keys_read, 2, "not within a minute");
    world.pass(Duration::from_mins(1));
    let answer = log_in(&world, &provider, &mut eve).await;
    refused(&world, &eve, &answer, 403).await;
    assert_eq!(provider.shared().keys_read, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_provider_passwords_and_jobs_go_on() {
    let (world, _, provider) = with_provider().await;
    let addr = provider.addr();
    drop(provider);
    let mut mia = Browser::new();
    let answer = mia.go(&world, "/login/oidc").await;
    let said = refused(&world, &mia, &answer, 502).await;
    assert!(said.contains("does not answer"), "{said}");
    assert!(answer.text().contains("name=\"password\""));
    let mut ana = Browser::new();
    assert_eq!(ana.log_in(&world, "ana", PASSWORD).await.status, 303);
    let run = ana
        .fetch(&world, "POST", "/api/v1/jobs/hello~/run", "")
        .await;
    assert_eq!(run.status, 201, "{}", run.text());
    // It is back.
    let provider = Provider::start_at(addr).await;
    world.pass(Duration::from_secs(4));
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_provider_one_goes_to_this_server_alone() {
    let (world, _, provider) = with_provider().await;
    for (next, location) in [
        ("/runs/x_1%3Fmachine%3Dweb", "/runs/x_1?machine=web"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("/%09/evil.example", "/"),
    ] {
        let mut mia = Browser::new();
        let begun = mia.go(&world, &format!("/login/oidc?next={next}")).await;
        let there = begun.header("location").unwrap().to_owned();
        let back = provider.log_in(&there).await;
        // What is brought back has no say in it.
        let answer = mia.go(&world, &format!("{back}&next={next}")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some(location)),
            "{next}"
        );
        assert!(there.contains("https%3A%2F%2Fsp.example%2Flogin%2Foidc%2Fcallback"));
    }
}
