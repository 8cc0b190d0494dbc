//! Kill, timeout, and what is left of the tree.

use crate::server::{Server, Whole, within};
use crate::tools::{
    binary_as_nobody, gone, is_root, launch, launch_of, limited, marked, marks, spec, stat, unique,
    wrapper,
};
use saltpeter_protocol::machine::v2::{Exit, FromServer};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a busy machine may take on top of what is asked for.
const SLACK: Duration = Duration::from_secs(3);

/// A tree that does not want to end: the shell, a child and a daemon in a session of its own, all
/// deaf to SIGTERM.
fn stubborn(mark: &str) -> String {
    format!(
        "export {mark}; trap '' TERM; sleep 1000 & \
         setsid sh -c 'trap \"\" TERM; sleep 1000 & echo daemon; sleep 1000' & \
         sleep 1000; sleep 1000"
    )
}

#[tokio::test]
async fn a_timeout_takes_the_whole_tree() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("timeout"));
    launch(wrapper(&server, &unique("timeout")));
    let (soft, hard) = (Duration::from_secs(3), Duration::from_millis(3500));
    let command = limited(&stubborn(&mark), soft, hard);
    let mut connection = server.start_command(command).await;
    let begin = Instant::now();
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon\n").await;
    marks(&mark, 4).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::TimedOut));
    assert_eq!(marked(&mark), [0; 0]);
    assert!(begin.elapsed() < hard + SLACK, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_timeout_is_a_timeout_whatever_the_shell_says() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("polite")));
    let command = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done";
    let limit = limited(command, Duration::from_millis(300), Duration::from_mins(1));
    let mut connection = server.start_command(limit).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"bye\n");
    assert_eq!(whole.exit, Some(Exit::TimedOut));
}

/// Programs take a second SIGTERM as "now, at once", and what a handler starts to tidy up is not to die of the first.
#[tokio::test]
async fn sigterm_comes_once_and_spares_what_tidies_up() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("tidy")));
    let tidy = |name| {
        format!(
            "trap 'echo {name} asked; sleep 0.3 && echo {name} tidied; exit 0' TERM; \
             echo {name} up; while :; do sleep 0.05; done"
        )
    };
    let command = format!("setsid sh -c \"{}\" & {}", tidy("daemon"), tidy("shell"));
    let mut connection = server.start_command(spec(&command)).await;
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon up\n").await;
    connection.output_until(&mut whole, "shell up\n").await;
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    let text = String::from_utf8(whole.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let all = ["daemon", "shell"]
        .map(|name| ["asked", "tidied", "up"].map(|what| format!("{name} {what}")));
    assert_eq!(lines, all.concat());
}

#[tokio::test]
async fn a_kill_takes_the_whole_tree_after_its_grace() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("kill"));
    launch(wrapper(&server, &unique("kill")));
    let mut connection = server.start_command(spec(&stubborn(&mark))).await;
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon\n").await;
    let begin = Instant::now();
    connection.say(&FromServer::Kill).await;
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    assert_eq!(marked(&mark), [0; 0]);
    let grace = Duration::from_secs(5);
    assert!(begin.elapsed() >= grace, "{:?}", begin.elapsed());
    assert!(begin.elapsed() < grace + SLACK, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_kill_that_waits_in_the_welcome_is_carried_out() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("pending")));
    let mut connection = server.start_command(spec("sleep 1000")).await;
    let shell = connection.started().await;
    drop(connection);
    let (mut connection, _) = server.greet().await;
    let welcome = FromServer::Welcome {
        command: None,
        durable: 0,
        kill: true,
        version: "test".to_owned(),
    };
    connection.say(&welcome).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    gone(shell).await;
}

#[tokio::test]
async fn a_daemon_that_a_command_leaves_behind_neither_holds_the_run_nor_dies() {
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("daemon"));
    launch(wrapper(&server, &unique("daemon")));
    let command = format!("export {mark}; sleep 1000 & echo up");
    let mut connection = server.start_command(spec(&command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"up\n");
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
    let left = marks(&mark, 1).await;
    assert_eq!(left.len(), 1);
    let killed = Command::new("kill")
        .arg(left[0].to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    gone(left[0]).await;
}

#[tokio::test]
async fn output_of_the_background_is_waited_for() {
    let server = Server::start().await;
    launch(wrapper(&server, &unique("background")));
    let command = "(sleep 0.5; echo late) & echo early";
    let mut connection = server.start_command(spec(command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.stdout, b"early\nlate\n");
}

#[tokio::test]
async fn a_wrapper_that_is_terminated_ends_its_command_and_says_so() {
    for signal in ["-TERM", "-INT", "-HUP", "-QUIT"] {
        let server = Server::start().await;
        launch(wrapper(&server, &unique("shutdown")));
        let mut connection = server.start_command(spec("sleep 1000")).await;
        let shell = connection.started().await;
        let (_, wrapper, ..) = stat(shell).unwrap();
        let told = Command::new("kill")
            .args([signal, &wrapper.to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        let whole = connection.finish(Whole::default()).await;
        assert_eq!(whole.exit, Some(Exit::Signalled { signal: 15 }), "{signal}");
        gone(wrapper).await;
    }
}

/// The control group of version 2 that a process is in, as a directory; `None` where there is none.
fn cgroup_of(pid: u32) -> Option<PathBuf> {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(|mount| PathBuf::from(mount).join(path))
        .find(|dir| dir.join("cgroup.procs").exists())
}

/// Whether wrappers may make control groups here.
fn may_make_cgroups() -> bool {
    let probe = |dir: PathBuf| {
        let probe = dir.join(unique("probe"));
        fs::create_dir(&probe).is_ok() && fs::remove_dir(&probe).is_ok()
    };
    cgroup_of(std::process::id()).is_some_and(probe)
}

#[tokio::test]
async fn the_command_has_a_control_group_that_goes_with_it() {
    if !may_make_cgroups() {
        eprintln!("no control groups can be made here: the other tests show what is done then");
        return;
    }
    let server = Server::start().await;
    launch(wrapper(&server, &unique("cgroup")));
    let mut connection = server.start_command(spec("sleep 1000")).await;
    let shell = connection.started().await;
    let group = cgroup_of(shell).unwrap();
    let name = group.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("saltpeter-"), "{name}");
    let (_, wrapper, ..) = stat(shell).unwrap();
    assert_ne!(
        cgroup_of(wrapper),
        Some(group.clone()),
        "the wrapper is not in it"
    );
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    gone(wrapper).await;
    assert!(!group.exists());
}

/// Processes that are always others: each starts the next and ends.
fn comets(dir: &std::path::Path, mark: &str) -> String {
    let comet = dir.join("comet");
    fs::write(
        &comet,
        "#!/bin/sh\ntrap '' TERM\nsleep 0.002\n\"$0\" &\nexit 0\n",
    )
    .unwrap();
    fs::set_permissions(&comet, fs::Permissions::from_mode(0o755)).unwrap();
    let comet = comet.display();
    format!(
        "export {mark}; for n in 1 2 3 4 5; do {comet} & done; setsid {comet} & echo up; sleep 1000"
    )
}

#[tokio::test]
async fn processes_that_are_always_others_do_not_get_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("comets"));
    launch(wrapper(&server, &unique("comets")));
    let mut connection = server.start_command(spec(&comets(dir.path(), &mark))).await;
    connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "up\n").await;
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn without_a_control_group_the_tree_is_taken_all_the_same() {
    if !is_root() {
        return; // Every other test is this one then.
    }
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("nobody"));
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let job = unique("nobody");
    launch(launch_of(binary_as_nobody(home.path()), &server, &job, 1));
    let mut connection = server.start_command(spec(&stubborn(&mark))).await;
    let shell = connection.started().await;
    let mut whole = Whole::default();
    connection.output_until(&mut whole, "daemon\n").await;
    let (_, wrapper, ..) = stat(shell).unwrap();
    assert_eq!(cgroup_of(shell), cgroup_of(wrapper), "it may make none");
    connection.say(&FromServer::Kill).await;
    let whole = connection.finish(whole).await;
    assert_eq!(whole.exit, Some(Exit::Killed));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_control_group_that_a_daemon_needs_is_left_to_it() {
    if !may_make_cgroups() {
        return;
    }
    let server = Server::start().await;
    let mark = format!("MARK={}", unique("leftgroup"));
    launch(wrapper(&server, &unique("leftgroup")));
    let command = format!("export {mark}; setsid sleep 1000 >/dev/null 2>&1 & echo up");
    let mut connection = server.start_command(spec(&command)).await;
    let whole = connection.finish(Whole::default()).await;
    assert_eq!(whole.exit, Some(Exit::Exited { code: 0 }));
    let left = marks(&mark, 1).await;
    assert_eq!(left.len(), 1);
    let group = cgroup_of(left[0]).unwrap();
    assert!(
        group
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("saltpeter-")
    );
    fs::write(group.join("cgroup.kill"), "1").unwrap();
    gone(left[0]).await;
    within("the group to be empty", async {
        while fs::remove_dir(&group).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
