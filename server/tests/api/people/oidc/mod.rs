//! People who log in at a provider of `OpenID` Connect, and those who try to get in by it.

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
async fn a_token_that_is_not_of_this_login_lets_nobody_in() {
    let (world, ana, provider) = with_provider().await;
    let now = world.now().0 / 1000;
    let truth = json!({});
    for (lies, signing, said) in [
        (
            json!({"nonce": "0".repeat(64)}),
            Signing::Rsa(1),
            "it answers another login",
        ),
        (json!({"nonce": null}), Signing::Rsa(1), "nonce"),
        (json!({"aud": "wiki"}), Signing::Rsa(1), "it is meant for"),
        (
            json!({"aud": ["saltpeter", "wiki"]}),
            Signing::Rsa(1),
            "it is meant for",
        ),
        (json!({"azp": "wiki"}), Signing::Rsa(1), "it is meant for"),
        (
            json!({"iss": "https://evil.example"}),
            Signing::Curve,
            "it was made by",
        ),
        (json!({"exp": now - 120}), Signing::Rsa(1), "it has expired"),
        (json!({"iat": now + 600}), Signing::Rsa(1), "in the future"),
        (
            truth.clone(),
            Signing::Unsigned,
            "signed by &quot;none&quot;",
        ),
        (
            truth.clone(),
            Signing::PublicKeyAsSecret,
            "signed by &quot;HS256&quot;",
        ),
        (truth.clone(), Signing::Changed, "its signature is not"),
        (truth.clone(), Signing::WrongKey, "its signature is not"),
        (truth.clone(), Signing::Unknown, "made-up"),
    ] {
        {
            let mut shared = provider.shared();
            shared.lies = lies.clone();
            shared.signing = signing;
        }
        let mut eve = Browser::new();
        let answer = log_in(&world, &provider, &mut eve).await;
        let page = refused(&world, &eve, &answer, 403).await;
        assert!(page.contains(said), "{lies} {signing:?}: {page}");
        let (who, deed) = trail(&world, &ana).await.pop().unwrap();
        assert_eq!(who, "?", "{deed}");
        assert!(
            deed.contains("the ID token of Acme <b>SSO</b> is not good"),
            "{deed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_once_and_in_the_browser_that_asked() {
    let (world, _, provider) = with_provider().await;
    let mut mia = Browser::new();
    let there = begin(&world, &mut mia).await;
    let back = provider.log_in(&there).await;
    // In a browser that has not begun, as when somebody is sent the link.
    let mut victim = Browser::new();
    let answer = victim.go(&world, &back).await;
    let said = refused(&world, &victim, &answer, 400).await;
    assert!(said.contains("another browser"), "{said}");
    // In one that has begun another.
    begin(&world, &mut victim).await;
    let answer = victim.go(&world, &back).await;
    refused(&world, &victim, &answer, 400).await;
    for wrong in [
        "/login/oidc/callback",
        "/login/oidc/callback?code=x&state=00",
        "/login/oidc/callback?code=x&state=00&state=01",
        "/login/oidc/callback?error=access_denied",
    ] {
        let answer = mia.go(&world, wrong).await;
        refused(&world, &mia, &answer, 400).await;
    }
    // None of that has spoilt it for who has begun. Then it is used up, also with a copy of the cookie.
    let mut copy = mia.clone();
    assert_eq!(mia.go(&world, &back).await.status, 303);
    let answer = copy.go(&world, &back).await;
    refused(&world, &copy, &answer, 400).await;

    // Too late.
    let mut slow = Browser::new();
    let there = begin(&world, &mut slow).await;
    let back = provider.log_in(&there).await;
    world.pass(Duration::from_mins(10));
    let answer = slow.go(&world, &back).await;
    refused(&world, &slow, &answer, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_somebody_elses_login_is_not_redeemed() {
    let (world, _, provider) = with_provider().await;
    let mut eve = Browser::new();
    let theirs = begin(&world, &mut eve).await;
    let theirs = provider.log_in(&theirs).await;
    let mut victim = Browser::new();
    let there = begin(&world, &mut victim).await;
    let own = provider.log_in(&there).await;
    let code = |back: &str| {
        let (_, rest) = back.split_once("code=").unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    // The victim's browser, its state, and the code of the other: the provider wants the verifier of that.
    let injected = own.replace(&code(&own), &code(&theirs));
    let answer = victim.go(&world, &injected).await;
    let said = refused(&world, &victim, &answer, 502).await;
    assert!(said.contains("invalid_grant: not yours"), "{said}");
    // And the code is spent.
    let answer = eve.go(&world, &theirs).await;
    let said = refused(&world, &eve, &answer, 502).await;
    assert!(said.contains("no such code"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_does_not_answer_for_this_one() {
    let (world, _, provider) = with_provider().await;
    let issuer = provider.shared().issuer.clone();
    provider.shared().answers_as = Some(issuer.clone());
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);

    let mut eve = Browser::new();
    provider.shared().answers_as = Some("https://evil.example".to_owned());
    let answer = log_in(&world, &provider, &mut eve).await;
    let said = refused(&world, &eve, &answer, 403).await;
    assert!(said.contains("https://evil.example"), "{said}");
    // It has said that it always tells.
    provider.shared().answers_as = None;
    let answer = log_in(&world, &provider, &mut eve).await;
    refused(&world, &eve, &answer, 403).await;

    // Its description is read again after a while, and is another's.
    world.pass(Duration::from_hours(2));
    provider.shared().issuer = format!("{issuer}/other");
    let answer = eve.go(&world, "/login/oidc").await;
    let said = refused(&world, &eve, &answer, 502).await;
    assert!(said.contains("it describes"), "{said}");
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
async fn who_has_no_group_any_more_is_out() {
    let (world, mut ana, provider) = with_provider().await;
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    for groups in [json!(["wiki"]), json!([]), json!(7), Value::Null] {
        provider.shared().claims["groups"] = json!(["staff"]);
        let mut before = Browser::new();
        assert_eq!(log_in(&world, &provider, &mut before).await.status, 303);
        provider.shared().lies = json!({"groups": groups});
        let mut now = Browser::new();
        let answer = log_in(&world, &provider, &mut now).await;
        let said = refused(&world, &now, &answer, 403).await;
        let hint = said.contains("has no claim groups");
        assert!(said.contains("Mia is in no group"), "{said}");
        assert_eq!(hint, !groups.is_array(), "{said}");
        // With the sessions that there were.
        assert!(!is_in(&world, &before).await && !is_in(&world, &mia).await);
        let (who, deed) = trail(&world, &ana).await.pop().unwrap();
        assert_eq!(who, "Mia", "{deed}");
        provider.shared().lies = json!({});
    }
    // An account of the provider has no password here, and no other role.
    for (path, name, value) in [
        ("/users/password", "password", PASSWORD),
        ("/users/access", "role", "admin"),
    ] {
        let answer = ana
            .submit(&world, path, &[("name", "mia"), (name, value)])
            .await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains("comes from the provider"));
    }
    let answer = Browser::new().log_in(&world, "mia", PASSWORD).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_at_the_provider_is_no_account_here() {
    let (world, ana, provider) = with_provider().await;
    for (name, said) in [
        (json!("ANA"), "the name ana belongs to an account here"),
        (json!("<b>x</b>"), "has no name for an account"),
        (json!(["ana"]), "it is not there"),
    ] {
        provider.shared().claims["preferred_username"] = name;
        let mut eve = Browser::new();
        let answer = log_in(&world, &provider, &mut eve).await;
        let page = refused(&world, &eve, &answer, 403).await;
        assert!(page.contains(said), "{page}");
    }
    assert!(is_in(&world, &ana).await);
    // The same name of another person there.
    provider.shared().claims["preferred_username"] = json!("mia");
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    provider.shared().claims["sub"] = json!("u-2");
    let mut eve = Browser::new();
    let answer = log_in(&world, &provider, &mut eve).await;
    refused(&world, &eve, &answer, 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_from_the_provider_last_a_day_at_most() {
    let (world, _, provider) = with_provider().await;
    let mut mia = Browser::new();
    assert_eq!(log_in(&world, &provider, &mut mia).await.status, 303);
    world.pass(Duration::from_hours(11));
    assert!(is_in(&world, &mia).await);
    world.pass(Duration::from_hours(1));
    assert!(!is_in(&world, &mia).await, "although it was used");
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
