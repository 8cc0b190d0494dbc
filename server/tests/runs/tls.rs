//! The machines' port wants TLS unless it is told otherwise.

use saltpeter_protocol::{MachineOutcome, MachineState};
use saltpeter_testkit::{FakeWrapper, Site};

fn jobs(name: &str, more: &str) -> String {
    format!(
        "{name}: {{ schedule: '@yearly', targets: a, overlap: allow, command: echo safe{more} }}\n"
    )
}

#[tokio::test]
async fn wrappers_come_over_tls_and_nobody_without() {
    let site = Site::new(&["a"], &jobs("tls_run", "")).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("tls_run").await.unwrap();
    server.client.until_over(&run).await.unwrap();
    assert_eq!(server.client.output(&run, "a").await.unwrap(), b"safe\n");
    let refused = FakeWrapper::connect(server.machines, None).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("426"), "{refused}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrapper_that_speaks_no_tls_is_not_started_in_vain() {
    let site = Site::new(&["a"], &jobs("tls_old", ", wrapper_protocol: 1")).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("tls_old").await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    let MachineState::Ended { outcome, .. } = &detail.machines[0].state else {
        panic!("{detail:#?}");
    };
    let MachineOutcome::StartFailed { message, .. } = outcome else {
        panic!("{detail:#?}");
    };
    assert!(
        message.contains("machines_ws_plaintext: allow"),
        "{message}"
    );
    server.stop().await.unwrap();
}
