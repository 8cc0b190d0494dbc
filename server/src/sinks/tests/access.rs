//! How a cluster lets this server in, and what is made there on request.

use super::*;

#[tokio::test]
async fn a_user_of_the_address_is_let_in_and_a_stranger_is_told_what_to_do() {
    let es = BulkServer::start().await.unwrap();
    // elastic:p@ss
    es.demand("Basic ZWxhc3RpYzpwQHNz");
    let stranger = Bed::new(&es.url("elastic:wrong@")).await;
    stranger.start(0);
    let row = stranger
        .row_until(|row| row.health != SinkHealth::Working)
        .await;
    assert!(!format!("{row:?}").contains("wrong"), "{row:?}");
    let SinkHealth::Failing { reason, .. } = row.health else {
        panic!();
    };
    assert!(
        reason.starts_with("401") && reason.contains("check the user and password"),
        "{reason}"
    );
    stranger.tasks.close().await;
    let bed = Bed::new(&es.url("elastic:p%40ss@")).await;
    bed.start(0);
    es.until("it", |es| es.stored().len() == 1).await.unwrap();
    bed.tasks.close().await;
}

#[tokio::test]
async fn an_api_key_may_come_late_and_be_replaced() {
    let es = BulkServer::start().await.unwrap();
    es.demand("ApiKey c2VjcmV0");
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("key");
    let bed = Bed::with(&es.url(""), |settings| {
        settings.elasticsearch_access.api_key_file = Some(file.display().to_string());
    })
    .await;
    bed.start(0);
    let says = |word: &'static str| move |row: &SinkRow| matches!(&row.health, SinkHealth::Failing { reason, .. } if reason.contains(word));
    bed.row_until(says("cannot read the API key")).await;
    fs::write(&file, "old\n").unwrap();
    bed.row_until(says("401")).await;
    fs::write(&file, "c2VjcmV0\n").unwrap();
    es.until("it", |es| es.stored().len() == 1).await.unwrap();
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_trusted_when_it_is_named() {
    let es = BulkServer::start_tls().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    let row = bed.row_until(|row| row.health != SinkHealth::Working).await;
    assert!(
        format!("{row:?}").to_lowercase().contains("certificate"),
        "{row:?}"
    );
    bed.tasks.close().await;
    let files = tempfile::tempdir().unwrap();
    let ca = files.path().join("ca.pem");
    fs::write(&ca, es.ca().unwrap()).unwrap();
    let bed = Bed::with(&es.url(""), |settings| {
        settings.elasticsearch_access.ca = Some(ca.display().to_string());
    })
    .await;
    bed.start(0);
    es.until("it", |es| es.stored().len() == 1).await.unwrap();
    bed.tasks.close().await;
}

#[tokio::test]
async fn the_template_is_created_where_there_is_none_and_only_when_asked_for() {
    let es = BulkServer::start().await.unwrap();
    let asking = |settings: &mut Settings| settings.elasticsearch_access.template = true;
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    es.until("it", |es| es.stored().len() == 1).await.unwrap();
    assert_eq!(es.template("saltpeter"), None);
    bed.tasks.close().await;
    let bed = Bed::with(&es.url(""), asking).await;
    bed.start(1);
    es.until("both", |es| es.stored().len() == 2).await.unwrap();
    let template = es.template("saltpeter").unwrap();
    assert_eq!(template["index_patterns"][0], "saltpeter-*");
    assert_eq!(
        template["template"]["mappings"]["properties"]["return_code"]["type"],
        "integer"
    );
    bed.tasks.close().await;
    es.put_template("saltpeter", serde_json::json!("somebody's own"));
    let bed = Bed::with(&es.url(""), asking).await;
    bed.start(2);
    es.until("all", |es| es.stored().len() == 3).await.unwrap();
    assert_eq!(es.template("saltpeter").unwrap(), "somebody's own");
    bed.tasks.close().await;
}
