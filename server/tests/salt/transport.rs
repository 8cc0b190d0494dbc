//! The two ways to Salt, each on the real one.

use crate::ways::{Way, call, names, returns};
use saltpeter_testkit::SaltLab;

#[tokio::test]
async fn ping_api() {
    let lab = SaltLab::find().unwrap();
    let salt = Way::Api.connect(&lab);
    let called = salt.call(call("*", "test.ping")).await.unwrap();
    assert_eq!(names(&called.expected), ["db1", "web1", "web2"]);
    let heard = returns(called).await;
    assert_eq!(heard.len(), 3, "{heard:?}");
}
