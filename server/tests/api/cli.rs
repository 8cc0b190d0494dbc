//! The commands of the real binary.

use std::process::{Command, Output};

fn saltpeter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_saltpeter"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_prints_each_problem_with_its_place_and_exits_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let good = "a:\n  schedule: '@daily'\n  command: 'true'\n  targets: '*'\n";
    std::fs::write(dir.path().join("good.yaml"), good).unwrap();
    let output = saltpeter(&["check", path]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "")
    );

    let bad = "b:\n  schedule: '0 24 * * *'\n  command: 'true'\n  targets: '*'\n  tiemout: 5\n";
    std::fs::write(dir.path().join("bad.yaml"), bad).unwrap();
    let output = saltpeter(&["check", path]);
    let lines = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{lines}");
    assert!(
        lines
            .lines()
            .any(|line| line.starts_with("bad.yaml:2:") && line.contains(": error: ")),
        "{lines}"
    );
    assert!(
        lines
            .lines()
            .any(|line| line.starts_with("bad.yaml:5:3: warning: ") && line.contains("timeout")),
        "{lines}"
    );

    let output = saltpeter(&["check", "--json", path]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&report["errors"], &report["warnings"]),
        (&1.into(), &1.into())
    );

    assert_eq!(
        saltpeter(&["check", "/no/such/directory"]).status.code(),
        Some(2)
    );
}

#[test]
fn check_tells_of_a_directory_that_has_the_name_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("web.yaml")).unwrap();
    let output = saltpeter(&["check", dir.path().to_str().unwrap()]);
    let lines = text(&output.stdout);
    let begin = "web.yaml:1:1: error: cannot be read: it is a directory";
    assert!(lines.starts_with(begin), "{lines}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn check_tells_where_secrets_are_read_and_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let job = format!(
        "a:\n  schedule: '@daily'\n  command: 'true'\n  targets: '*'\n  secrets: {{DB: {{file: {}}}}}\n",
        secret.display()
    );
    std::fs::write(dir.path().join("a.yaml"), job).unwrap();
    let plain = saltpeter(&["check", path]);
    let json = saltpeter(&["check", "--json", path]);
    let told = text(&plain.stderr);
    let line = format!("a: DB from file {}\n", secret.display());
    assert!(told.contains(&line), "{told}");
    assert_eq!(text(&plain.stdout), "");
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        report["secrets"][0]["source"]["file"],
        secret.to_str().unwrap()
    );
    assert!(!format!("{plain:?}{json:?}").contains("hunter2"));
}

#[test]
fn a_directory_of_the_earlier_implementation_is_good_and_what_is_different_is_noted_when_asked() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/earlier");
    let plain = saltpeter(&["check", dir]);
    let asked = saltpeter(&["check", "--migrating", dir]);
    assert_eq!(
        (plain.status.code(), asked.status.code()),
        (Some(0), Some(0))
    );
    let notes = |output: &Output| text(&output.stdout).matches(": note: ").count();
    assert_eq!(notes(&plain), 0);
    let lines = text(&asked.stdout);
    assert!(
        lines.contains("saltpeter.yaml:3:1: note: api_ws_bind_addr is not set"),
        "{lines}"
    );
    let json = saltpeter(&["check", "--migrating", "--json", dir]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["notes"].as_array().unwrap().len(), notes(&asked));
}

#[test]
fn next_prints_fire_times_or_one_clear_line() {
    let arguments = [
        "next",
        "0 30 2 * * mon *",
        "--after",
        "2025-11-04T00:00:00Z",
        "--count",
        "2",
        "--timezone",
        "Europe/Berlin",
    ];
    let output = saltpeter(&arguments);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "2025-11-10T02:30:00+01:00\n2025-11-17T02:30:00+01:00\n"
    );
    for wrong in [
        &["next", "0 61 * * * * *"][..],
        &["next", "@daily", "--timezone", "Mars/Base"],
        &["next", "@daily", "--after", "noon"],
    ] {
        let output = saltpeter(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(
            text(&output.stderr).lines().count(),
            1,
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_schedule_that_never_fires_is_no_silence() {
    let output = saltpeter(&["next", "0 0 30 2 *"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("\"0 0 30 2 *\" never fires"), "{said}");
}

#[test]
fn an_address_to_listen_on_is_one_of_numbers() {
    let output = saltpeter(&["-b", "localhost"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("such as 127.0.0.1"), "{said}");
}

#[test]
fn every_command_explains_itself_with_an_example_and_lists_the_flags_that_it_uses() {
    let mut all = String::new();
    for command in [
        "",
        "check",
        "import",
        "import crontab",
        "user",
        "user add",
        "user list",
        "user remove",
        "user password",
        "user role",
        "token",
        "token add",
        "token list",
        "token remove",
        "status",
        "run",
        "kill",
        "runs",
        "next",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = saltpeter(&arguments);
        assert_eq!(output.status.code(), Some(0));
        let help = text(&output.stdout);
        assert!(help.contains("Example"), "{arguments:?}");
        all.extend(["$ saltpeter ", &arguments.join(" "), "\n", &help, "\n"]);
    }
    insta::assert_snapshot!(all);
    let version = text(&saltpeter(&["--version"]).stdout);
    assert_eq!(
        version.trim(),
        format!("saltpeter {}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(saltpeter(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_flag_without_a_use_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let output = saltpeter(&["--configdir", path, "status"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    let first = "error: `saltpeter status` has no use for --configdir; `saltpeter status --help` lists what it takes";
    assert_eq!(said.lines().next(), Some(first), "{said}");

    for good in [&["-c", path, "check"][..], &["check", "-c", path]] {
        assert_eq!(saltpeter(good).status.code(), Some(0), "{good:?}");
    }
    for twice in [
        &["-c", path, "check", path][..],
        &["check", path, "-c", path],
    ] {
        let output = saltpeter(twice);
        assert_eq!(output.status.code(), Some(2), "{twice:?}");
        assert!(text(&output.stderr).contains("named twice"), "{twice:?}");
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = saltpeter(&[
        "-c",
        "/no/such/directory",
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("--configdir"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_demo_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/demo");
    let output = saltpeter(&["check", path]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "")
    );
}

/// A directory whose jobs show every kind of line.
fn with_targets() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let settings = "saltpeter_config:\n  executor: local\n  timezone: Europe/Berlin\n  local_machines:\n    web1: {role: web}\n    web2: {role: web}\n    db1: {role: db}\nsaltpeter_maintenance:\n  machines: [web2]\n";
    let jobs = "gap:\n  schedule: '30 2 * * *'\n  command: 'true'\n  targets: 'web*'\n  number_of_targets: 1\nnever:\n  schedule: '0 0 0 1 1 * 2020'\n  command: 'true'\n  targets: 'role:db'\n  target_type: grain\n";
    std::fs::write(dir.path().join("settings.yaml"), settings).unwrap();
    std::fs::write(dir.path().join("jobs.yaml"), jobs).unwrap();
    dir
}

#[test]
fn check_targets_prints_fire_times_and_machines_with_the_reason_for_each_that_is_left_out() {
    let dir = with_targets();
    let path = dir.path().to_str().unwrap();
    // The clocks go forward on the 29th of March 2026.
    let after = ["--targets", "--after", "2026-03-26T12:00:00Z"];
    let plain = saltpeter(&[&["check", path][..], &after].concat());
    insta::assert_snapshot!(text(&plain.stdout));
    let json = saltpeter(&[&["check", "--json", path][..], &after].concat());
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let gap = &report["previews"][0];
    assert_eq!(gap["upcoming"].as_array().unwrap().len(), 20);
    assert_eq!(gap["upcoming"][2]["dst"], "moved_by_gap");
    let verdicts: Vec<_> = gap["machines"]["Ok"].as_array().unwrap().iter().collect();
    assert_eq!(verdicts[2]["verdict"], "maintenance");

    assert!(saltpeter(&["check", path]).stdout.len() < plain.stdout.len());
    let alone = saltpeter(&["check", path, "--after", "2026-03-26T12:00:00Z"]);
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn check_targets_says_where_machines_cannot_be_found_out() {
    let dir = with_targets();
    let job = "pillar:\n  schedule: '@yearly'\n  command: 'true'\n  targets: 'role:db'\n  target_type: pillar\n";
    std::fs::write(dir.path().join("more.yaml"), job).unwrap();
    let output = saltpeter(&["check", "--targets", dir.path().to_str().unwrap()]);
    let told = text(&output.stdout);
    assert!(
        told.contains(
            "its machines cannot be found out: a pillar value can only be matched by Salt"
        ),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(1), "{told}");
}

#[test]
fn who_reads_only_the_beginning_hears_no_panic_and_a_full_disk_is_said() {
    let ask = ["next", "* * * * *", "--count", "10000"];
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saltpeter"));
        command.args(ask);
        command
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program().stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), "")
    );
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = program().stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stderr), @"saltpeter: cannot write to standard output: No space left on device (os error 28)");
    // With `2>&1 |` both are gone.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let errors = writer.try_clone().unwrap();
    let status = program().stdout(writer).stderr(errors).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
