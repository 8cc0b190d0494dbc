//! The lab itself: what the other tests take for granted.

use saltpeter_testkit::SaltLab;
use serde_json::json;

#[tokio::test]
async fn every_minion_answers_and_has_its_grains() {
    let lab = SaltLab::find().unwrap();
    lab.wait_for(&["web1", "web2", "db1"]).await.unwrap();
    let roles = lab
        .call("web1", "grains.get", json!({"key": "roles"}))
        .await
        .unwrap();
    assert_eq!(roles, json!(["webserver", "frontend"]));
    let datacenter = lab
        .call("db1", "grains.get", json!({"key": "datacenter"}))
        .await
        .unwrap();
    assert_eq!(datacenter, json!("north"));
}

#[tokio::test]
async fn a_minion_outage_ends_with_its_start() {
    let lab = SaltLab::find().unwrap();
    let stopped = lab.stop("web2").await.unwrap();
    assert!(!lab.description().is_running("web2").unwrap());
    stopped.start().await.unwrap();
    assert!(lab.description().is_running("web2").unwrap());
}
