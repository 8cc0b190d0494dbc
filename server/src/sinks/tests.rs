//! Against a cluster that takes documents by the letter.

use super::*;
use crate::clock::SystemClock;
use crate::store::output::Chunk;
use bytes::Bytes;
use saltpeter_domain::run::LogEvent;
use saltpeter_protocol::api::{Counts, SinkHealth, SinkRow};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Encoding;
use saltpeter_protocol::{JobName, MachineId, MachineOutcome, RunId, RunOutcome, UnixMillis};
use saltpeter_testkit::{BulkServer, PATIENCE, Sent};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// 2025-11-04T10:00:00Z.
const BEGIN: UnixMillis = UnixMillis(1_762_250_400_000);

const QUICK: Pace = Pace {
    first: Duration::from_millis(2),
    longest: Duration::from_millis(20),
    request: PATIENCE,
};

struct Bed {
    dir: TempDir,
    settings: Settings,
    pace: Pace,
    output: OutputLog,
    sinks: Sinks,
    tasks: SinkTasks,
}

impl Bed {
    /// Documents go to the Elasticsearch at `url`.
    async fn new(url: &str) -> Self {
        Self::with(url, |_| {}).await
    }

    async fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            elasticsearch: Some(Secret::new(url)),
            ..Settings::default()
        };
        change(&mut settings);
        let dir = tempfile::tempdir().unwrap();
        let output = OutputLog::open(&dir.path().join("output.db"))
            .await
            .unwrap();
        let (sinks, tasks) = Sinks::start_with(
            &settings,
            dir.path(),
            output.clone(),
            &system_clock(),
            QUICK,
        )
        .unwrap();
        Self {
            dir,
            settings,
            pace: QUICK,
            output,
            sinks,
            tasks,
        }
    }

    async fn restart(self) -> Self {
        self.tasks.close().await;
        let (sinks, tasks) = Sinks::start_with(
            &self.settings,
            self.dir.path(),
            self.output.clone(),
            &system_clock(),
            self.pace,
        )
        .unwrap();
        Self {
            sinks,
            tasks,
            ..self
        }
    }

    fn row(&self) -> SinkRow {
        self.sinks.board().rows().remove(0)
    }

    /// Waits until the cluster's row is as wanted.
    async fn row_until(&self, wanted: impl Fn(&SinkRow) -> bool) -> SinkRow {
        let reached = async {
            while !wanted(&self.row()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(came, "waited in vain: {:?}", self.row());
        self.row()
    }

    fn start(&self, n: i64) {
        self.sinks.write(&started(n));
    }

    fn spool(&self) -> Vec<PathBuf> {
        let directory = self.dir.path().join("documents/elasticsearch");
        let files = fs::read_dir(directory).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

fn run(n: i64) -> RunId {
    RunId::new(format!("backup_{n}")).unwrap()
}

fn entry(at: i64, event: LogEvent) -> LogEntry {
    LogEntry {
        job: JobName::new("backup").unwrap(),
        group: "night".to_owned(),
        at: UnixMillis(BEGIN.0 + at),
        event,
    }
}

fn started(n: i64) -> LogEntry {
    entry(n, LogEvent::RunStarted { run: run(n) })
}

fn machine_ended(at: i64, outcome: MachineOutcome) -> LogEntry {
    let event = LogEvent::MachineEnded {
        run: run(0),
        machine: MachineId::new("web1").unwrap(),
        attempt: saltpeter_protocol::Attempt::FIRST,
        outcome,
    };
    entry(at, event)
}

fn instances(sent: &[Sent]) -> Vec<String> {
    sent.iter()
        .map(|sent| sent.text("job_instance").to_owned())
        .collect()
}

fn names(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| run(n).to_string()).collect()
}

#[tokio::test]
async fn two_clusters_get_every_document_in_order() {
    let es = BulkServer::start().await.unwrap();
    let os = BulkServer::start().await.unwrap();
    let bed = Bed::with(&es.url(""), |settings| {
        settings.opensearch = Some(Secret::new(os.url("")));
        settings.opensearch_index = "other".to_owned();
    })
    .await;
    for n in 0..2500 {
        bed.start(n);
    }
    for cluster in [&es, &os] {
        cluster
            .until("all", |c| c.arrived().len() == 2500)
            .await
            .unwrap();
        assert_eq!(instances(&cluster.arrived()), names(0..2500));
        assert_eq!(cluster.faults(), Vec::<String>::new());
        assert!(cluster.answered() < 1000, "{}", cluster.answered());
    }
    assert_eq!(es.arrived()[0].index, "saltpeter-2025.11.04");
    assert_eq!(os.arrived()[0].index, "other-2025.11.04");
    let row = bed
        .row_until(|row| row.sent == 2500 && row.waiting == 0)
        .await;
    assert_eq!((row.dropped, row.rejected), (0, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_dead_cluster_costs_nobody_any_time_and_gets_all_of_it_later() {
    let mut es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    es.until("the first", |es| es.arrived().len() == 1)
        .await
        .unwrap();
    bed.row_until(|row| row.sent == 1 && row.waiting == 0).await;
    es.die();
    let begin = Instant::now();
    for n in 1..1000 {
        bed.start(n);
    }
    assert!(
        begin.elapsed() < Duration::from_millis(500),
        "{:?}",
        begin.elapsed()
    );
    let row = bed
        .row_until(|row| row.waiting == 999 && row.health != SinkHealth::Working)
        .await;
    assert!(row.waiting_bytes > 100_000, "{row:?}");
    // Twice, for what was written then must not hide what was there.
    let bed = bed.restart().await;
    bed.start(1000);
    let bed = bed.restart().await;
    bed.row_until(|row| row.waiting == 1000).await;
    es.rise().await.unwrap();
    es.until("all", |es| es.arrived().len() >= 1001)
        .await
        .unwrap();
    assert_eq!(instances(&es.arrived()), names(0..1001));
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.health, row.dropped), (SinkHealth::Working, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn what_is_sent_twice_is_there_once_and_nothing_stays_on_disk() {
    let es = BulkServer::start().await.unwrap();
    es.delay(PATIENCE);
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    bed.row_until(|row| row.waiting == 10).await;
    // Killed while a request is under way, which the cluster takes all the same.
    es.delay(Duration::ZERO);
    let bed = bed.restart().await;
    es.until("all", |es| es.stored().len() == 10).await.unwrap();
    bed.row_until(|row| row.waiting == 0).await;
    // What had come to the disk before it was sent is on it again, as after a power cut.
    let copied = {
        es.fail_with(Some(503));
        bed.start(10);
        bed.row_until(|row| row.waiting == 1 && row.health != SinkHealth::Working)
            .await;
        fs::read(&bed.spool()[0]).unwrap()
    };
    es.fail_with(None);
    es.until("the last", |es| es.stored().len() == 11)
        .await
        .unwrap();
    bed.row_until(|row| row.waiting == 0).await;
    assert_eq!(bed.spool(), Vec::<PathBuf>::new());
    fs::write(
        bed.dir
            .path()
            .join("documents/elasticsearch/000000000001.ndjson"),
        copied,
    )
    .unwrap();
    let before = es.arrived().len();
    let bed = bed.restart().await;
    es.until("once more", |es| es.arrived().len() == before + 1)
        .await
        .unwrap();
    assert_eq!(es.stored().len(), 11);
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_stop_sends_what_is_left_when_the_cluster_is_well() {
    let es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    for n in 0..100 {
        bed.start(n);
    }
    bed.tasks.close().await;
    assert_eq!(es.stored().len(), 100);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_cluster_that_is_not() {
    let es = BulkServer::start().await.unwrap();
    es.delay(PATIENCE);
    let bed = Bed::new(&es.url("")).await;
    bed.start(0);
    bed.row_until(|row| row.waiting == 1).await;
    let begin = Instant::now();
    bed.tasks.close().await;
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn only_the_documents_that_were_not_taken_are_sent_again() {
    let es = BulkServer::start().await.unwrap();
    let busy = |sent: &Sent| {
        let odd = sent
            .text("job_instance")
            .ends_with(['1', '3', '5', '7', '9']);
        odd.then_some((429, "es_rejected_execution_exception"))
    };
    es.fail_with(Some(503));
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    bed.row_until(|row| row.waiting == 10).await;
    es.judge(busy);
    es.fail_with(None);
    es.until("the even ones", |es| es.arrived().len() == 5)
        .await
        .unwrap();
    let row = bed
        .row_until(|row| matches!(&row.health, SinkHealth::Failing { reason, .. } if reason.starts_with("429")))
        .await;
    assert_eq!(row.rejected, 0);
    es.judge_no_more();
    es.until("the odd ones", |es| es.arrived().len() == 10)
        .await
        .unwrap();
    let odd: Vec<String> = names(0..10).into_iter().skip(1).step_by(2).collect();
    assert_eq!(instances(&es.arrived())[5..], odd);
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.health), (10, SinkHealth::Working));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_mapping_is_dropped_and_counted() {
    let es = BulkServer::start().await.unwrap();
    es.judge(|sent| {
        let bad = sent.text("job_instance") == "backup_3";
        bad.then_some((400, "mapper_parsing_exception"))
    });
    let bed = Bed::new(&es.url("")).await;
    for n in 0..10 {
        bed.start(n);
    }
    es.until("the others", |es| es.arrived().len() == 9)
        .await
        .unwrap();
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.rejected, row.dropped), (9, 1, 0));
    bed.tasks.close().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_in_parts() {
    let es = BulkServer::start().await.unwrap();
    es.fail_with(Some(503));
    es.limit(2000);
    let bed = Bed::new(&es.url("")).await;
    for n in 0..100 {
        bed.start(n);
    }
    // The machine has the longest name there is, and 2000 bytes of it besides.
    let message = "m".repeat(2000);
    bed.sinks
        .write(&machine_ended(100, MachineOutcome::Unreachable { message }));
    bed.start(101);
    bed.row_until(|row| row.waiting == 102).await;
    es.fail_with(None);
    let row = bed.row_until(|row| row.waiting == 0).await;
    assert_eq!((row.sent, row.rejected), (101, 1));
    assert_eq!(es.stored().len(), 101);
    assert_eq!(es.faults(), Vec::<String>::new());
    bed.tasks.close().await;
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted_and_the_rest_arrives() {
    let mut es = BulkServer::start().await.unwrap();
    es.die();
    let bed = Bed::with(&es.url(""), |settings| settings.documents_spool = 10_000).await;
    for n in 0..100 {
        bed.start(n);
    }
    let row = bed.row_until(|row| row.waiting + row.dropped == 100).await;
    assert!(row.waiting > 10 && row.dropped > 10, "{row:?}");
    assert!(row.waiting_bytes <= 10_000, "{row:?}");
    es.rise().await.unwrap();
    let rest = row.waiting as i64;
    es.until("the rest", |es| es.arrived().len() as i64 == rest)
        .await
        .unwrap();
    assert_eq!(instances(&es.arrived()), names(0..rest));
    bed.tasks.close().await;
}

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

#[tokio::test]
async fn a_result_has_the_end_of_the_output_and_the_last_word_counts() {
    let es = BulkServer::start().await.unwrap();
    let bed = Bed::new(&es.url("")).await;
    let lost = MachineOutcome::Unreachable {
        message: "It does not answer.".to_owned(),
    };
    bed.sinks.write(&machine_ended(1, lost));
    es.until("the first", |es| es.stored().len() == 1)
        .await
        .unwrap();
    assert_eq!(es.stored()[0].text("output"), "It does not answer.\n");
    let mut text = "x".repeat(99_999).into_bytes();
    text.push(b'\n');
    let mut offset = 0;
    for _ in 0..12 {
        let chunk = Chunk {
            offset,
            stream: Stream::Stdout,
            at: BEGIN,
            encoding: Encoding::Raw,
            payload: Bytes::from(text.clone()),
            raw_len: text.len() as u32,
        };
        let web1 = MachineId::new("web1").unwrap();
        offset = bed.output.append(&run(0), &web1, chunk).await.unwrap();
    }
    bed.sinks
        .write(&machine_ended(2, MachineOutcome::Succeeded));
    es.until("the second", |es| es.arrived().len() == 2)
        .await
        .unwrap();
    let stored = es.stored();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].fields["return_code"], 0);
    let output = stored[0].text("output");
    let cut = 1_200_000 - recorder::MAX_OUTPUT;
    assert!(output.starts_with(&format!("[cut: the first {cut} bytes are left out]\n")));
    assert!(output.len() as u64 > recorder::MAX_OUTPUT && output.ends_with("xxx\n"));
    bed.tasks.close().await;
}

/// With `OPENSEARCH_URL` set (such as `https://admin:password@localhost:9200`; `OPENSEARCH_CA` names its authority's
/// file): what the strict cluster of these tests takes, a real one takes too.
#[tokio::test]
async fn a_real_cluster_takes_all_of_it() {
    let Ok(url) = std::env::var("OPENSEARCH_URL") else {
        eprintln!("OPENSEARCH_URL is not set: nothing is asked of a real cluster");
        return;
    };
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
