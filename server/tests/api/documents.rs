//! Documents for Elasticsearch and `OpenSearch`, from a whole server.

use crate::world::World;
use saltpeter_testkit::{BulkServer, Sent};
use std::time::{Duration, Instant};

const JOBS: &str = "
good~:
  schedule: '@yearly'
  command: 'echo hello from $SP_MACHINE_ID'
  targets: 'web*'
bad~:
  schedule: '@yearly'
  command: exit 7
  targets: web1
nobody~:
  schedule: '@yearly'
  command: 'true'
  targets: 'mail*'
rested~:
  schedule: '@yearly'
  command: 'true'
  targets: db1
saltpeter_maintenance: {machines: [db1]}
";

fn settings(es: &BulkServer, os: &BulkServer) -> String {
    format!(
        "saltpeter_config:\n  elasticsearch: {}\n  opensearch: {}\n  opensearch_index: other\n",
        es.url("elastic:hunter2@"),
        os.url("")
    )
}

/// What a document is about, in a line.
fn line(sent: &Sent) -> String {
    let (kind, machine) = (sent.text("msg_type"), sent.text("machine"));
    let output = sent.text("output").trim_end();
    format!("{kind} {machine} {} {output}", sent.fields["return_code"])
}

fn of(cluster: &BulkServer, run: &str) -> Vec<String> {
    let sent = cluster.arrived().into_iter();
    sent.filter(|sent| sent.text("job_instance") == run)
        .map(|sent| {
            assert_eq!(sent.text("group"), "jobs");
            line(&sent)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clusters_are_told_every_run_from_start_to_end() {
    let (es, os) = (
        BulkServer::start().await.unwrap(),
        BulkServer::start().await.unwrap(),
    );
    let world = World::new(&[("jobs.yaml", JOBS), ("sinks.yaml", &settings(&es, &os))]).await;
    let ended =
        |run: String| move |c: &BulkServer| of(c, &run).iter().any(|l| l.starts_with("end"));
    let mut told = Vec::new();
    for job in ["good~", "bad~", "nobody~", "rested~"] {
        let run = world.run(job).await.to_string();
        for cluster in [&es, &os] {
            cluster.until("the end", ended(run.clone())).await.unwrap();
        }
        let mut lines = of(&es, &run);
        assert_eq!(lines[0], "start  0 ");
        // Machines end in any order.
        lines.sort_unstable();
        let mut others = of(&os, &run);
        others.sort_unstable();
        assert_eq!(lines, others);
        told.push(lines.join("\n"));
    }
    insta::assert_snapshot!(told.join("\n\n"), @r"
    end  0 Completed: 2/2 targets successful
    machine_result web1 0 hello from web1
    machine_result web2 0 hello from web2
    machine_start web1 0 
    machine_start web2 0 
    start  0 

    end  1 Completed: 0/1 targets successful
    machine_result web1 7 
    machine_start web1 0 
    start  0 

    end  1 Completed: 0/0 targets successful
    no_machines  0 
    start  0 

    end  1 Completed: 0/0 targets successful
    maintenance db1 0 Target under maintenance
    start  0
    ");
    assert_eq!((es.faults(), os.faults()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_cluster_delays_no_job_and_is_told_all_of_it_after_a_restart() {
    let (mut es, os) = (
        BulkServer::start().await.unwrap(),
        BulkServer::start().await.unwrap(),
    );
    es.die();
    // As bad as dead: it takes requests and does not answer.
    os.delay(Duration::from_mins(10));
    let mut world = World::new(&[("jobs.yaml", JOBS), ("sinks.yaml", &settings(&es, &os))]).await;
    let begin = Instant::now();
    let mut runs = Vec::new();
    for _ in 0..5 {
        let run = world.run("good~").await;
        world.ended(&run).await;
        runs.push(run.to_string());
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    let config = world.get("/api/v1/config").await.json();
    let sink = &config["sinks"][0];
    assert_eq!(sink["name"], "elasticsearch");
    assert_eq!(sink["health"]["health"], "failing");
    assert!(sink["waiting"].as_u64().unwrap() >= 5, "{sink}");
    assert!(!config.to_string().contains("hunter2"));
    let begin = Instant::now();
    world.stop().await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    es.rise().await.unwrap();
    os.delay(Duration::ZERO);
    world.start().await;
    for cluster in [&es, &os] {
        // A start, two machines' starts and results, and an end.
        cluster
            .until("all runs", |c| c.stored().len() == 30)
            .await
            .unwrap();
        assert_eq!(cluster.faults(), Vec::<String>::new());
        let mut begun: Vec<String> = cluster
            .arrived()
            .into_iter()
            .filter(|sent| sent.text("msg_type") == "start")
            .map(|sent| sent.text("job_instance").to_owned())
            .collect();
        begun.dedup();
        assert_eq!(begun, runs);
    }
}
