//! Accounts that come from the provider, and how long they last.

use super::{is_in, log_in, refused, trail, with_provider};
use crate::people::PASSWORD;
use crate::people::browser::Browser;
use serde_json::{Value, json};
use std::time::Duration;

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
        (json!("ANA"), "The name ana belongs to an account here"),
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
