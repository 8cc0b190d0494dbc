//! Crontabs made into jobs, by the command and over the API.

use crate::world::World;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const CRONTAB: &str = "\
MAILTO=ops
0 2 * * * backup.sh
@reboot start.sh
";

fn import(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_saltpeter"))
        .args(["import", "crontab"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn at(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_jobs_go_to_standard_output_and_what_is_to_be_known_to_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = at(dir.path(), "crontab");
    std::fs::write(&file, CRONTAB).unwrap();
    let from_file = import(&[&file, "--targets", "web*", "--user", "deploy"], "");
    let from_stdin = import(&["-", "--targets", "web*", "--user", "deploy"], CRONTAB);
    assert_eq!(from_file.status.code(), Some(1));
    assert_eq!(from_file.stdout, from_stdin.stdout);
    let told = text(&from_file.stderr).replace(&file, "crontab");
    assert_eq!(told, text(&from_stdin.stderr).replace("-:", "crontab:"));
    insta::assert_snapshot!(format!("{told}\n{}", text(&from_file.stdout)));

    let good = import(&["-"], "0 2 * * * backup.sh\n");
    assert_eq!(good.status.code(), Some(0));
    assert!(
        text(&good.stderr).contains("the jobs are for this host"),
        "{good:?}"
    );
    let json = import(&["-", "--json"], CRONTAB);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["jobs"], &json["form"]), (&json!(1), &json!("user")));
    assert_eq!(json["lines"][2]["outcome"], "refused");
}

#[test]
fn a_file_is_made_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let output = at(dir.path(), "night.yaml");
    let arguments = ["-", "--targets", "*", "--output", &output];
    let made = import(&arguments, "0 2 * * * backup.sh\n");
    assert_eq!((made.status.code(), made.stdout.len()), (Some(0), 0));
    let written = std::fs::read_to_string(&output).unwrap();
    assert!(
        written.contains("night is then the jobs' group"),
        "{written}"
    );
    let checked = Command::new(env!("CARGO_BIN_EXE_saltpeter"))
        .args(["check", dir.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");

    let again = import(&arguments, "0 3 * * * other.sh\n");
    assert_eq!(again.status.code(), Some(2));
    assert!(
        text(&again.stderr).contains("is there already"),
        "{again:?}"
    );
    assert_eq!(std::fs::read_to_string(&output).unwrap(), written);
}

#[test]
fn a_system_crontab_names_a_user_in_each_line() {
    let line = "0 2 * * * svc backup.sh\n";
    let system = text(&import(&["-", "--system", "--targets", "*"], line).stdout);
    assert!(
        system.contains("  user: svc\n") && system.contains("'backup.sh'"),
        "{system}"
    );
    let user = text(&import(&["-", "--targets", "*"], line).stdout);
    assert!(user.contains("'svc backup.sh'"), "{user}");
}

#[test]
fn what_cannot_be_read_or_means_nothing_is_misuse() {
    let dir = tempfile::tempdir().unwrap();
    let latin = at(dir.path(), "latin");
    std::fs::write(&latin, b"# one\n# \xe4\n").unwrap();
    let missing = at(dir.path(), "missing");
    for (arguments, words) in [
        (&[missing.as_str()][..], "No such file"),
        (&[&latin], "line 2 is not UTF-8"),
        (&["-", "--targets", ""], "targets: "),
        (&["-", "--system", "--user", "x"], "cannot be used with"),
        (&[], "<FILE>"),
    ] {
        let output = import(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_converts_beside_the_jobs_that_are_there() {
    let jobs = "backup: {schedule: '@daily', command: x, targets: web1}\n";
    let world = World::new(&[("jobs.yaml", jobs)]).await;
    let body = json!({"crontab": CRONTAB, "targets": "web*", "group": "night"});
    let answer = world
        .post("/api/v1/import/crontab", &body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = answer.json();
    assert_eq!(result["lines"][1]["jobs"], json!(["backup_2"]));
    assert_eq!(result["lines"][2]["outcome"], "refused");
    assert!(result["yaml"].as_str().unwrap().contains("\nbackup_2:\n"));

    for (body, status, words) in [
        (json!({"crontab": CRONTAB, "targets": ""}), 422, "targets: "),
        (
            json!({"crontab": CRONTAB, "targets": "*", "group": "../x"}),
            422,
            "group: ",
        ),
        (
            json!({"crontab": CRONTAB, "targets": "*", "more": 1}),
            400,
            "more",
        ),
    ] {
        let answer = world
            .post("/api/v1/import/crontab", &body.to_string())
            .await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}
