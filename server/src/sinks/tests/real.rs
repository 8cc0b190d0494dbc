//! A real cluster, where there is one.

use super::*;

/// With `OPENSEARCH_URL` set (such as `https://admin:password@localhost:9200`; `OPENSEARCH_CA` names its authority's
/// file): what the strict cluster of these tests takes, a real one takes too.
#[tokio::test]
#[ignore = "needs a real cluster: cargo xtask test runs it where OPENSEARCH_URL is set"]
async fn a_real_cluster_takes_all_of_it() {
    let url = std::env::var("OPENSEARCH_URL").unwrap();
    let ca = std::env::var("OPENSEARCH_CA").ok();
    let prefix = format!("saltpeter-test-{:08x}", rand::random::<u32>());
    let bed = Bed::with(&url, |settings| {
        settings.elasticsearch_index.clone_from(&prefix);
        settings.elasticsearch_access = SinkAccess {
            ca: ca.clone(),
            api_key_file: None,
            template: true,
        };
    })
    .await;
    for n in 0..1500 {
        bed.start(n);
    }
    let finished = |at, outcome| {
        let event = LogEvent::RunFinished {
            run: run(0),
            outcome,
            counts: Counts::default(),
        };
        entry(at, event)
    };
    bed.sinks.write(&finished(5000, RunOutcome::Succeeded));
    // An older word that comes later changes nothing.
    bed.sinks.write(&finished(4000, RunOutcome::Failed));
    let row = bed.row_until(|row| row.sent == 1502).await;
    assert_eq!((row.rejected, row.dropped), (0, 0));
    let client = crate::outbound::client(ca.as_deref().map(Path::new)).unwrap();
    let ask = async |path: &str| -> serde_json::Value {
        let answer = client.get(format!("{url}/{path}")).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    ask(&format!("{prefix}-*/_refresh")).await;
    let count = ask(&format!("{prefix}-2025.11.04/_count")).await;
    assert_eq!(count["count"], 1501);
    let ends = ask(&format!("{prefix}-*/_search?q=msg_type.keyword:end")).await;
    assert_eq!(ends["hits"]["hits"][0]["_source"]["return_code"], 0);
    for path in [
        format!("{prefix}-2025.11.04"),
        format!("_index_template/{prefix}"),
    ] {
        client.delete(format!("{url}/{path}")).send().await.unwrap();
    }
    bed.tasks.close().await;
}
