//! What only salt-api can do wrong, on the real one.

use crate::ways::{Way, api, call, credentials, returns, values};
use saltpeter_domain::Secret;
use saltpeter_server::salt::api::{Credentials, Password};
use saltpeter_server::salt::{Salt as _, SaltError};
use saltpeter_testkit::SaltLab;

fn refusal(error: SaltError) -> String {
    match error {
        SaltError::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_the_place_of_the_right_one() {
    let lab = SaltLab::find().unwrap();
    let wrong = Credentials {
        password: Password::Given(Secret::new("wrong")),
        ..credentials(&lab)
    };
    let salt = api(&lab, wrong);
    let error = salt.call(call("*", "test.ping")).await.unwrap_err();
    let why = refusal(error);
    assert!(
        why.contains("refused the login of saltpeter by sharedsecret"),
        "{why}"
    );
    assert!(why.contains("SALTPETER_SALT_API_PASSWORD"), "{why}");
    assert!(!why.contains("wrong"), "{why}");
}

#[tokio::test]
async fn a_function_that_is_not_permitted_is_refused_by_name() {
    let lab = SaltLab::find().unwrap();
    let restricted = Credentials {
        user: lab.description().api_restricted_user.clone(),
        ..credentials(&lab)
    };
    let salt = api(&lab, restricted);
    let heard = returns(salt.call(call("*", "test.ping")).await.unwrap()).await;
    assert_eq!(values(&heard).len(), 3);
    let why = refusal(salt.call(call("*", "cmd.run_all")).await.unwrap_err());
    for part in ["cmd.run_all", "restricted", "external_auth", "sharedsecret"] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test]
async fn a_service_outage_ends_with_a_new_token_and_nobody_notices() {
    let lab = SaltLab::find().unwrap();
    let salt = Way::Api.connect(&lab);
    returns(salt.call(call("*", "test.ping")).await.unwrap()).await;
    // A restart forgets every token; the event stream breaks with it, and is opened again when it is wanted.
    lab.stop("api").await.unwrap().start().await.unwrap();
    let called = salt.call(call("*", "test.ping")).await.unwrap();
    assert_eq!(values(&returns(called).await).len(), 3);
}
