//! The machines' port wants TLS unless it is told otherwise.

use saltpeter_protocol::{MachineOutcome, MachineState};
use saltpeter_testkit::{FakeWrapper, Site};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

#[tokio::test]
async fn nothing_can_be_read_on_the_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let jobs = format!(
        "saltpeter_config: {{advertised_machines_port: {}}}\n\
         tls_heard: {{schedule: '@yearly', targets: a, command: 'echo $HIDDEN; echo visible', env: {{HIDDEN: hidden-value}}}}\n",
        listener.local_addr().unwrap().port()
    );
    let site = Site::new(&["a"], &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    tokio::spawn(listen_in(listener, server.machines, Arc::clone(&heard)));
    let run = server.client.run_now("tls_heard").await.unwrap();
    server.client.until_over(&run).await.unwrap();
    let output = server.client.output(&run, "a").await.unwrap();
    assert_eq!(output, b"hidden-value\nvisible\n");
    let token = site.token(&run).unwrap();
    let heard = heard.lock().unwrap();
    assert!(heard.len() > 500, "{}", heard.len());
    let words = [token.expose(), "Bearer", "hidden", "visible", run.as_str()];
    for word in words {
        let is_there = heard
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(!is_there, "{word}");
    }
}

/// Stands between wrappers and the server and writes down what passes.
async fn listen_in(listener: TcpListener, server: SocketAddr, heard: Arc<Mutex<Vec<u8>>>) {
    while let Ok((wrapper, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let ((from_wrapper, to_wrapper), (from_server, to_server)) =
                (wrapper.into_split(), server.into_split());
            tokio::join!(
                pass(from_wrapper, to_server, &heard),
                pass(from_server, to_wrapper, &heard)
            );
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    heard: &Mutex<Vec<u8>>,
) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        heard.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn the_command_is_not_told_the_token() {
    let jobs = "tls_env: {schedule: '@yearly', targets: a, command: env}\n";
    let site = Site::new(&["a"], jobs).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now("tls_env").await.unwrap();
    server.client.until_over(&run).await.unwrap();
    let output = server.client.output(&run, "a").await.unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.contains(&format!("SP_JOB_INSTANCE={run}")),
        "{output}"
    );
    assert!(!output.contains("SP_TOKEN"), "{output}");
    assert!(!output.contains("SP_TLS_PIN"), "{output}");
    assert!(!output.contains(site.token(&run).unwrap().expose()));
    server.stop().await.unwrap();
}
