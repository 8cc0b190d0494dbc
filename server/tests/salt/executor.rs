//! Runs by Salt: machines found, wrappers brought and started.

use crate::outcomes::{all, codes, sentence};
use crate::site::{SaltSite, Setting, site, wrapper};
use saltpeter_protocol::RunOutcome;
use saltpeter_protocol::api::RunDetail;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A job with the wrapper at `path`, which is the operator's own.
fn with_wrapper(path: &Path) -> String {
    format!(
        "own~: {{schedule: '0 0 1 1 *', targets: web1, command: 'true', wrapper_path: {}}}",
        path.display()
    )
}

/// A file system in memory, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&place)
            .status();
        assert!(mounted.unwrap().success(), "these tests are for root");
        Self(place)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_bare_machine_is_brought_the_wrapper_and_runs_the_command() {
    let site = site(
        "hello~: {schedule: '0 0 1 1 *', targets: '*', command: 'echo out $0; echo err >&2; echo $SP_MACHINE_ID$SP_TOKEN'}",
        &[],
    );
    let server = site.serve().await;
    for round in ["first", "second", "third"] {
        let begun = Instant::now();
        let (run, detail) = server.run("hello~").await;
        println!("{round} run: {:?}", begun.elapsed());
        assert_eq!(codes(&detail), all(0), "{detail:#?}");
        let output = server.client.output(&run, "web1").await.unwrap();
        let text = String::from_utf8_lossy(&output);
        assert!(text.contains("out"), "{text}");
    }
    assert!(site.has_wrapper());
    assert_eq!(site.left_over(), [""; 0]);
}

#[tokio::test]
async fn without_a_file_root_the_wrapper_is_handed_over_in_pieces() {
    let site = site(
        "hello~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}",
        &[Setting::NoFileRoot],
    );
    let server = site.serve().await;
    let begun = Instant::now();
    let (_, detail) = server.run("hello~").await;
    println!("first run by pieces: {:?}", begun.elapsed());
    assert_eq!(codes(&detail), all(0), "{detail:#?}");
    assert!(site.has_wrapper());
    assert_eq!(site.left_over(), [""; 0]);
}

#[tokio::test]
async fn no_match_is_an_outcome() {
    let site = site(
        "nobody~: {schedule: '0 0 1 1 *', targets: 'nobody*', command: 'true'}",
        &[],
    );
    let server = site.serve().await;
    let (_, detail) = server.run("nobody~").await;
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::NoTargets));
}

#[tokio::test]
async fn a_wrapper_of_the_operators_is_not_touched_and_what_is_wrong_with_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrapper");
    let site = site(&with_wrapper(&path), &[]);
    let server = site.serve().await;
    let try_with = async |bytes: Option<Vec<u8>>, mode: u32| {
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let (_, detail) = server.run("own~").await;
        assert_eq!(codes(&detail), [("web1".to_owned(), Some(254))]);
        sentence(&detail, "web1")
    };
    let said = try_with(None, 0).await;
    assert!(said.contains("no wrapper at"), "{said}");
    let said = try_with(Some(fs::read(wrapper()).unwrap()), 0o644).await;
    assert!(said.contains("chmod 0755"), "{said}");
    // The beginning of a program for a machine that nobody tests on.
    let mut other = b"\x7fELF\x02\x01\x01".to_vec();
    other.resize(18, 0);
    other.extend([0xf3, 0x02]);
    let said = try_with(Some(other.clone()), 0o755).await;
    assert!(said.contains("another architecture"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), other);
    let said = try_with(Some(b"#!/bin/sh\necho sorry >&2; exit 3\n".to_vec()), 0o755).await;
    assert!(
        said.contains("ended with 3") && said.contains("sorry"),
        "{said}"
    );
    let said = try_with(Some(b"#!/no/such/shell\n".to_vec()), 0o755).await;
    assert!(said.contains("missing"), "{said}");
}

#[tokio::test]
async fn a_noexec_mount_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mount = Mounted::new(dir.path().join("mount"), "noexec");
    let path = mount.0.join("wrapper");
    fs::copy(wrapper(), &path).unwrap();
    let site = site(&with_wrapper(&path), &[]);
    let server = site.serve().await;
    let (_, detail) = server.run("own~").await;
    let said = sentence(&detail, "web1");
    assert!(said.contains("noexec"), "{said}");
}

async fn full_disk(settings: &[Setting]) {
    let dir = tempfile::tempdir().unwrap();
    let mount = Mounted::new(dir.path().join("mount"), "size=64k");
    let place = Setting::WrapperAt(mount.0.join("saltpeter-wrapper"));
    let settings = [settings, &[place]].concat();
    let site = site(
        "full~: {schedule: '0 0 1 1 *', targets: web1, command: 'true'}",
        &settings,
    );
    let server = site.serve().await;
    let (_, detail) = server.run("full~").await;
    let said = sentence(&detail, "web1");
    assert!(said.contains("disk is full"), "{said}");
    emptied(&site).await;
}

/// Waits until nothing is left of what was put together.
async fn emptied(site: &SaltSite) {
    let begun = Instant::now();
    while !site.left_over().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            site.left_over()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_left_as_it_was() {
    full_disk(&[]).await;
}

#[tokio::test]
async fn a_full_disk_is_named_when_pieces_are_handed_over() {
    full_disk(&[Setting::NoFileRoot]).await;
}

#[tokio::test]
async fn nothing_is_brought_where_that_is_turned_off() {
    let site = site(
        "bare~: {schedule: '0 0 1 1 *', targets: web1, command: 'true'}",
        &[Setting::NotDistributed],
    );
    let server = site.serve().await;
    let (_, detail) = server.run("bare~").await;
    let said = sentence(&detail, "web1");
    assert!(said.contains("no wrapper at"), "{said}");
    assert!(!site.wrapper().exists());
}

#[tokio::test]
async fn an_old_wrapper_is_replaced_while_its_run_goes_on() {
    let site = site(
        "slow~: {schedule: '0 0 1 1 *', targets: web1, command: 'while [ ! -e /tmp/saltpeter-test~ ]; do sleep 0.05; done'}\nquick~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}",
        &[],
    );
    let go = site.own("/tmp/saltpeter-test~");
    let server = site.serve().await;
    let slow = server.begin("slow~").await;
    server.until_running(&slow).await;
    // Another version, as far as anybody can tell.
    let other = site.path("machines/bin/other");
    fs::copy(wrapper(), &other).unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&other)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"other"))
        .unwrap();
    fs::rename(&other, site.wrapper()).unwrap();
    assert!(!site.has_wrapper());
    let (_, detail) = server.run("quick~").await;
    assert_eq!(codes(&detail), all(0));
    assert!(site.has_wrapper());
    fs::write(&go, "").unwrap();
    let detail = server.client.until_over(&slow).await.unwrap();
    fs::remove_file(&go).unwrap();
    assert_eq!(codes(&detail), [("web1".to_owned(), Some(0))]);
}

#[tokio::test]
async fn a_dead_machine_in_an_outage_holds_nobody_up() {
    let site = site(
        "all~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}",
        &[],
    );
    let server = site.serve().await;
    let (_, detail) = server.run("all~").await;
    assert_eq!(codes(&detail), all(0));
    let stopped = site.lab.stop("web2").await.unwrap();
    let begun = Instant::now();
    let run = server.begin("all~").await;
    let two = |detail: &RunDetail| detail.summary.counts.succeeded == 2;
    server.client.until(&run, two).await.unwrap();
    println!("the healthy ones were done after {:?}", begun.elapsed());
    let detail = server.client.until_over(&run).await.unwrap();
    println!("the dead one was given up after {:?}", begun.elapsed());
    let expected =
        [("db1", 0), ("web1", 0), ("web2", 255)].map(|(name, code)| (name.to_owned(), Some(code)));
    assert_eq!(codes(&detail), expected);
    stopped.start().await.unwrap();
}
