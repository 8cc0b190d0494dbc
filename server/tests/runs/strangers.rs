//! Wrappers that have no business here.

use saltpeter_protocol::machine::v2::{FromServer, FromWrapper, LeaveReason, Progress};
use saltpeter_protocol::{JobName, MachineId, RunId, RunOutcome};
use saltpeter_testkit::{FakeWrapper, Server, Site};
use std::time::Duration;

const JOBS: &str = "
JOB:
  min: 0
  hour: 0
  dom: 1
  mon: 1
  dow: '*'
  command: echo begun; while [ ! -e GATE ]; do sleep 0.05; done; echo over
  targets: a
";

struct Scene {
    site: Site,
    server: Server,
    run: RunId,
    job: JobName,
}

impl Scene {
    /// A server, and a run of `job` whose command has written its first line.
    ///
    /// Its name is the test's own: the lock that a wrapper takes is the whole host's.
    async fn new(job: &str) -> Self {
        let site = Site::new(&["a", "b"], "{}").unwrap();
        let gate = site.path("gate").display().to_string();
        let jobs = JOBS.replace("JOB", job).replace("GATE", &gate);
        site.write("jobs.yaml", &jobs).unwrap();
        // Whoever knocks here is strange in other ways than this.
        let plain = "saltpeter_config: {machines_ws_plaintext: allow}\n";
        site.write("plain.yaml", plain).unwrap();
        let server = site.serve().await.unwrap();
        let run = server.client.run_now(job).await.unwrap();
        server.client.until_written(&run, "a", 6).await.unwrap();
        Self {
            site,
            server,
            run,
            job: JobName::new(job).unwrap(),
        }
    }

    async fn hello(&self, token: Option<&str>, machine: &str, progress: Progress) -> FromServer {
        let mut wrapper = FakeWrapper::connect(self.server.machines, token)
            .await
            .unwrap();
        let machine = MachineId::new(machine).unwrap();
        wrapper
            .hello(&self.job, &self.run, &machine, 1, progress)
            .await
            .unwrap()
    }

    /// The command ends well, undisturbed.
    async fn finish(self) {
        std::fs::write(self.site.path("gate"), "").unwrap();
        let detail = self.server.client.until_over(&self.run).await.unwrap();
        assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
        let output = self.server.client.output(&self.run, "a").await.unwrap();
        assert_eq!(output, b"begun\nover\n");
        self.server.stop().await.unwrap();
    }
}

fn reason(answer: &FromServer) -> LeaveReason {
    match answer {
        FromServer::Leave { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_wrapper_for_a_machine_is_told_to_leave() {
    let scene = Scene::new("strangers_second").await;
    let token = scene.site.token(&scene.run).unwrap();
    let token = Some(token.expose());
    let answer = scene.hello(token, "a", Progress::New).await;
    assert_eq!(reason(&answer), LeaveReason::NotTheOne);
    // Also when it claims to have started.
    let started = Progress::Started {
        pid: 1,
        at: saltpeter_protocol::UnixMillis(0),
    };
    let answer = scene.hello(token, "a", started).await;
    assert_eq!(reason(&answer), LeaveReason::NotTheOne);
    scene.finish().await;
}

#[tokio::test]
async fn only_the_runs_own_token_opens_the_door() {
    let scene = Scene::new("strangers_token").await;
    let other = RunId::new("strangers_token_1").unwrap();
    let foreign = scene.site.token(&other).unwrap();
    for token in [None, Some("nonsense"), Some(foreign.expose())] {
        let answer = scene.hello(token, "a", Progress::New).await;
        assert_eq!(reason(&answer), LeaveReason::NotKnown, "{token:?}");
    }
    let token = scene.site.token(&scene.run).unwrap();
    for stranger in ["b", "nobody"] {
        let answer = scene
            .hello(Some(token.expose()), stranger, Progress::New)
            .await;
        assert_eq!(reason(&answer), LeaveReason::NotKnown, "{stranger}");
    }
    // The door of a run that does not exist stays shut, even with a token that would be its own.
    let mut wrapper = FakeWrapper::connect(scene.server.machines, Some(foreign.expose()))
        .await
        .unwrap();
    let answer = wrapper
        .hello(
            &scene.job,
            &other,
            &MachineId::new("a").unwrap(),
            1,
            Progress::New,
        )
        .await
        .unwrap();
    assert_eq!(reason(&answer), LeaveReason::NotKnown);
    scene.finish().await;
}

#[tokio::test]
async fn a_version_1_wrapper_needs_the_token_too() {
    use futures::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::Message;

    let scene = Scene::new("strangers_version1").await;
    let address = format!("ws://{}/?token=nonsense", scene.server.machines);
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    let connect = serde_json::json!({
        "type": "complete", "job_name": scene.job.as_str(), "job_instance": scene.run.as_str(), "machine": "a",
        "timestamp": "2025-01-01T00:00:00+00:00", "retcode": 0, "seq": 0,
    });
    socket
        .send(Message::text(connect.to_string()))
        .await
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), socket.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
    assert_eq!(answer["code"], "JOB_NOT_FOUND", "{answer}");
    scene.finish().await;
}

#[tokio::test]
async fn messages_before_hello_harm_nobody() {
    let scene = Scene::new("strangers_early").await;
    let token = scene.site.token(&scene.run).unwrap();
    let mut wrapper = FakeWrapper::connect(scene.server.machines, Some(token.expose()))
        .await
        .unwrap();
    wrapper.say(&FromWrapper::Heartbeat).await.unwrap();
    let answer = wrapper.hear().await.unwrap();
    assert!(matches!(answer, FromServer::Refused { .. }), "{answer:?}");
    wrapper.write(6, b"not yours\n").await.unwrap();
    let answer = wrapper.hear().await.unwrap();
    assert!(matches!(answer, FromServer::Refused { .. }), "{answer:?}");
    scene.finish().await;
}

#[tokio::test]
async fn another_servers_run_of_the_same_name_is_not_in_the_way() {
    let jobs = "twins: { min: 0, hour: 0, dom: 1, mon: 1, dow: '*', targets: a, overlap: allow, command: sleep 1 }\n";
    let sites = [
        Site::new(&["a"], jobs).unwrap(),
        Site::new(&["a"], jobs).unwrap(),
    ];
    let servers = [
        sites[0].serve().await.unwrap(),
        sites[1].serve().await.unwrap(),
    ];
    // Runs are named by the second, so two that begin at once have the same name, but for the turn of a second.
    let runs = loop {
        let (one, other) = tokio::join!(
            servers[0].client.run_now("twins"),
            servers[1].client.run_now("twins")
        );
        let runs = [one.unwrap(), other.unwrap()];
        if runs[0] == runs[1] {
            break runs;
        }
    };
    for (server, run) in servers.iter().zip(&runs) {
        let detail = server.client.until_over(run).await.unwrap();
        assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
    }
    for server in servers {
        server.stop().await.unwrap();
    }
}
