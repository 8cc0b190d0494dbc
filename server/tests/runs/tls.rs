//! The machines' port wants TLS unless it is told otherwise.

use saltpeter_protocol::{MachineOutcome, MachineState};
use saltpeter_testkit::{FakeWrapper, Site, renew_certificate};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
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
         tls_heard: {{schedule: '@yearly', targets: a, command: 'echo ${{#HIDDEN}}; echo visible', env: {{HIDDEN: hidden-value}}}}\n",
        listener.local_addr().unwrap().port()
    );
    let site = Site::new(&["a"], &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    tokio::spawn(listen_in(listener, server.machines, Arc::clone(&heard)));
    let run = server.client.run_now("tls_heard").await.unwrap();
    server.client.until_over(&run).await.unwrap();
    let output = server.client.output(&run, "a").await.unwrap();
    // Its length: the value itself is masked.
    assert_eq!(output, b"12\nvisible\n");
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

#[tokio::test]
async fn with_an_authoritys_certificate_machines_verify_it_as_everybody_does() {
    let site = Site::new(&["a"], &jobs("tls_vouched", "")).unwrap();
    renew_certificate(&site.path(""), "localhost").unwrap();
    // As on a machine of Salt's: no pin, the server's name, and an authority that the machine knows.
    let test = std::env::current_exe().unwrap();
    let wrapper = test.ancestors().nth(2).unwrap().join("saltpeter-wrapper");
    let script = format!(
        "#!/bin/sh\nunset SP_TLS_PIN\nSP_WEBSOCKET_URL=wss://localhost:${{SP_WEBSOCKET_URL##*:}}\n\
         SSL_CERT_FILE={}\nexport SP_WEBSOCKET_URL SSL_CERT_FILE\nexec {}\n",
        site.path("cert.pem").display(),
        wrapper.display()
    );
    let launcher = site.path("launcher");
    std::fs::write(&launcher, script).unwrap();
    std::fs::set_permissions(&launcher, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = format!(
        "saltpeter_config: {{machines_tls_cert: {}, machines_tls_key: {}, default_wrapper_path: {}}}\n",
        site.path("cert.pem").display(),
        site.path("key.pem").display(),
        launcher.display()
    );
    // The last file wins.
    site.write("tls.yaml", &settings).unwrap();
    let server = site.serve().await.unwrap();
    for _ in 0..2 {
        let run = server.client.run_now("tls_vouched").await.unwrap();
        server.client.until_over(&run).await.unwrap();
        assert_eq!(server.client.output(&run, "a").await.unwrap(), b"safe\n");
        // The next one meets another certificate, without a restart.
        renew_certificate(&site.path(""), "localhost").unwrap();
    }
    server.stop().await.unwrap();
}
