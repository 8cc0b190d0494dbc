//! How salt-api lets this server in: by a certificate of an authority of one's own, and by other external authentications.

use crate::outcomes::{all, codes};
use crate::site::{SaltSite, Setting, site};
use saltpeter_testkit::{Client, Front, SaltLab};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const JOB: &str = "hello~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}";

/// A server as a process of its own, ended when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server's binary with the lab's other password in its environment.
fn with_environment(site: &SaltSite, password: &str) -> (Process, Client) {
    let path = |name| site.path(name).display().to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_saltpeter"))
        .args(["-c", &path("config"), "-l", &path("logs")])
        .args(["--data-dir", &path("data"), "-a", "-b", "127.0.0.1"])
        .args(["-p", "0", "-w", "0", "--websocket-host", "127.0.0.1"])
        .arg("--insecure-no-auth")
        .env("SALTPETER_SALT_API_PASSWORD", password)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let process = Process(child);
    let address = log
        .by_ref()
        .map(Result::unwrap)
        .inspect(|line| eprintln!("{line}"))
        .find_map(|line| {
            let (_, address) = line.split_once("the dashboard is on http://")?;
            address.trim().parse().ok()
        });
    // It must not wait for somebody to read its log.
    std::thread::spawn(move || log.for_each(drop));
    (process, Client::new(address.unwrap()))
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_trusted_when_it_is_named() {
    let lab = SaltLab::find().unwrap();
    let address = lab.description().api_url.replace("http://", "");
    let front = Front::with_tls(address.parse().unwrap()).await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let ca = files.path().join("ca.pem");
    fs::write(&ca, front.ca().unwrap()).unwrap();

    let named = site(JOB, &[Setting::ApiAt(front.url(), Some(ca))]);
    let server = named.serve().await;
    let (_, detail) = server.run("hello~").await;
    assert_eq!(codes(&detail), all(0), "{detail:#?}");

    let asked = front.exchanges().len();
    let unknown = [Setting::ApiAt(front.url(), None), Setting::StartWindow(1)];
    let strange = site(JOB, &unknown);
    let server = strange.serve().await;
    let (_, detail) = server.run("hello~").await;
    let said = format!("{:?}", detail.summary.state).to_lowercase();
    assert!(said.contains("certificate"), "{said}");
    // Not even the password was sent.
    assert_eq!(front.exchanges().len(), asked);
}

#[tokio::test]
async fn another_eauth_takes_the_password_of_its_own_file() {
    let lab = SaltLab::find().unwrap();
    let file = lab.description().api_other_password_file.clone();
    let site = site(JOB, &[Setting::Eauth("file", Some(file))]);
    let server = site.serve().await;
    let (_, detail) = server.run("hello~").await;
    assert_eq!(codes(&detail), all(0), "{detail:#?}");
}

#[tokio::test]
async fn another_eauth_takes_the_password_of_the_environment() {
    let lab = SaltLab::find().unwrap();
    let password = fs::read_to_string(&lab.description().api_other_password_file).unwrap();
    let site = site(JOB, &[Setting::Eauth("file", None)]);
    let (_process, client) = with_environment(&site, &password);
    let client = client.patient(std::time::Duration::from_secs(100));
    let run = client.run_now(&site.own("hello~")).await.unwrap();
    let detail = client.until_over(&run).await.unwrap();
    assert_eq!(codes(&detail), all(0), "{detail:#?}");
}
