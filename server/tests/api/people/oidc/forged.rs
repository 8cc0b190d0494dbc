//! Tokens, answers and codes that are not those of this login at this provider.

use super::{begin, log_in, refused, trail, with_provider};
use crate::people::browser::Browser;
use crate::people::provider::Signing;
use serde_json::json;
use std::time::Duration;

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
