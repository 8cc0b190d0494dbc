//! The maintenance editor changes its key and nothing else.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use chrono_tz::Tz;
use proptest::prelude::*;
use saltpeter_domain::config::{FileChange, JobSet, Loader, edit_maintenance};
use saltpeter_domain::{Maintenance, Severity};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::fmt::Write as _;

fn load(text: &str) -> JobSet {
    Loader::new(Tz::UTC).apply(
        [("x.yaml".to_owned(), FileChange::Content(text.into()))],
        UnixMillis(0),
    )
}

fn state(global: bool, machines: &[&str]) -> Maintenance {
    Maintenance {
        global,
        machines: machines
            .iter()
            .map(|name| MachineId::new(*name).unwrap())
            .collect(),
        ..Maintenance::default()
    }
}

fn edited(text: &str, wanted: &Maintenance) -> String {
    let result = edit_maintenance(text, wanted).unwrap();
    let set = load(&result);
    // Groups that no file has are told of; they are written all the same.
    let mut problems = set.problems.iter();
    let is_good = problems.all(|problem| problem.severity == Severity::Warning);
    assert!(is_good, "{:?}\n{result}", set.problems);
    assert_eq!(*set.maintenance, *wanted, "{result}");
    result
}

#[test]
fn comments_and_all_else_stay() {
    let before = "\
# The fleet's cron.
saltpeter_config:
  logdir: /x   # here

saltpeter_maintenance:
  # Ask the on-call person first.
  global: false  # never at month's end
  machines:
    # rack 1
    - web1   # broken fan
    - web2
    # rack 2
    - db1    # disk

# Jobs follow.
a: {schedule: '@daily', command: x, targets: '*'} # a job
";
    let after = edited(before, &state(true, &["db1", "web1", "web9"]));
    assert_eq!(
        after,
        before
            .replace("global: false  #", "global: true  #")
            .replace("    - web2\n", "")
            .replace("    - db1    # disk\n", "    - db1    # disk\n    - web9\n")
    );
    assert_eq!(
        edited(&after, &state(true, &["db1", "web1", "web9"])),
        after
    );
    let none = edited(&after, &state(false, &[]));
    assert!(
        none.contains("machines: []\n    # rack 1\n    # rack 2\n"),
        "{none}"
    );
    edited(&none, &state(true, &["web1", "a:b", "*", "yes", "5"]));
}

#[test]
fn a_file_without_the_key_gets_it_at_its_end() {
    assert_eq!(
        edited("", &state(true, &[])),
        "saltpeter_maintenance:\n  global: true\n  machines: []\n"
    );
    assert_eq!(
        edited(
            "# jobs\na: {schedule: '@daily', command: x, targets: '*'}",
            &state(false, &["m"])
        ),
        "# jobs\na: {schedule: '@daily', command: x, targets: '*'}\n\nsaltpeter_maintenance:\n  global: false\n  machines:\n    - m\n"
    );
}

#[test]
fn every_way_of_writing_the_key_is_understood() {
    for before in [
        "saltpeter_maintenance:\n",
        "saltpeter_maintenance:",
        "saltpeter_maintenance: # nothing yet\n",
        "saltpeter_maintenance: {}\n",
        "saltpeter_maintenance: {global: true, machines: [a, \"b]\"]} # note\n",
        "saltpeter_maintenance: {global: true}",
        "saltpeter_maintenance: {global: true,\n  machines: [a]}\nx: {schedule: '@daily', command: x, targets: '*'}\n",
        "saltpeter_maintenance:\n  machines: [a, b] # two\n  global: yes\n",
        "saltpeter_maintenance:\n  machines: [\n    a,\n    b\n  ]\n",
        "saltpeter_maintenance:\n    global:\n    machines:\n",
        "saltpeter_maintenance:\n    machines:\n    - a\n    - b",
        "saltpeter_maintenance:\r\n  global: true\r\n  machines:\r\n    - a # x\r\n    - b\r\nx: {schedule: '@daily', command: x, targets: '*'}\r\n",
        "saltpeter_maintenance:\n  reason: |\n    two\n    lines\n  until: 2026-01-01T00:00:00Z\n  by: 'x'\n\n# end\n",
    ] {
        let full = Maintenance {
            reason: Some("kernel: \"rollout\" # 5\nsecond line".to_owned()),
            by: Some("marin".to_owned()),
            since: Some(UnixMillis(1_780_272_000_000)),
            until: Some(UnixMillis(1_780_275_600_000)),
            groups: ["db".to_owned(), "y".to_owned()].into(),
            ..state(true, &["b", "c"])
        };
        let after = edited(before, &full);
        for comment in ["# nothing yet", "# note", "# two", "# end"] {
            assert_eq!(before.contains(comment), after.contains(comment), "{after}");
        }
        assert_eq!(edited(&after, &full), after);
        let off = edited(&after, &state(false, &[]));
        edited(&off, &full);
        if before.contains("\r\n") {
            assert_eq!(
                off.matches('\n').count(),
                off.matches("\r\n").count(),
                "{off:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_edited_without_loss_is_refused() {
    let messages = [
        "a: [",
        "{saltpeter_maintenance: {global: true}}",
        "saltpeter_maintenance: 5",
        "saltpeter_maintenance:\n  machines: [a, # why\n    b]\n",
        "- a",
        "saltpeter_maintenance:\n  machines: web1\n",
        "saltpeter_maintenance:\n  reason: one\n  global: false\n  reason: two\n",
        "saltpeter_maintenance:\na: 5\nsaltpeter_maintenance: {}\n",
    ]
    .map(|text| {
        edit_maintenance(text, &state(true, &["z"]))
            .unwrap_err()
            .to_string()
    });
    insta::assert_snapshot!(messages.join("\n"));
}

fn machine() -> impl Strategy<Value = String> {
    "[a-z*:#'\"&!-][a-z0-9.:_#,\\[\\]{}-]{0,6}"
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("   # note: [x] - 'y".to_owned())]
}

prop_compose! {
    fn file()(before in prop::bool::ANY, after in prop::bool::ANY, global in prop::option::of(prop::bool::ANY),
              machines in prop::collection::btree_set("[a-z]{1,4}", 0..5), comments in prop::collection::vec(comment(), 10),
              groups in prop::collection::btree_set("[a-z]{1,4}", 0..3), blank in prop::bool::ANY, reason in prop::option::of("[a-z: #]{0,8}")) -> String {
        let mut text = String::new();
        if before { text.push_str("# first\nj1: {schedule: '@daily', command: 'echo # x', targets: '*'}\n"); }
        let _ = writeln!(text, "saltpeter_maintenance:{}", comments[0]);
        if let Some(global) = global { let _ = writeln!(text, "  global: {global}{}", comments[1]); }
        if let Some(reason) = reason { let _ = writeln!(text, "  reason: \"{reason}\"{}", comments[2]); }
        if machines.is_empty() {
            let _ = writeln!(text, "  machines: []{}", comments[3]);
        } else {
            let _ = writeln!(text, "  machines:{}", comments[3]);
            for (machine, comment) in machines.iter().zip(comments[4..].iter().cycle()) {
                let _ = writeln!(text, "    # about {machine}\n    - \"{machine}\"{comment}");
            }
        }
        if !groups.is_empty() {
            let groups: Vec<&String> = groups.iter().collect();
            let _ = writeln!(text, "  groups: {groups:?}{}", comments[9]);
        }
        if blank { text.push_str("\n  # end of block\n\n"); }
        if after { text.push_str("# second\nj2:\n  schedule: '@daily'\n  command: |\n    saltpeter_maintenance:\n      global: true\n  targets: '*'\n"); }
        text
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_edit_of_any_file_changes_that_key_alone(
        text in file(), global in prop::bool::ANY, machines in prop::collection::btree_set(machine(), 0..6),
        groups in prop::collection::btree_set(machine(), 0..4), reason in prop::option::of("\\PC{1,20}"),
    ) {
        let machines: Vec<&str> = machines.iter().map(String::as_str).collect();
        let wanted = Maintenance { reason, groups, ..state(global, &machines) };
        let result = edit_maintenance(&text, &wanted).unwrap();
        let (before, after) = (load(&text), load(&result));
        prop_assert_eq!(&*after.maintenance, &wanted);
        prop_assert_eq!(before.jobs.len(), after.jobs.len());
        for (name, job) in &before.jobs {
            prop_assert_eq!(&after.jobs[name].command, &job.command);
        }
        // Comments on lines of their own stay, all of them and in order.
        let own = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.trim_start().starts_with('#')).map(str::to_owned).collect()
        };
        prop_assert_eq!(own(&text), own(&result));
        prop_assert_eq!(edit_maintenance(&result, &wanted).unwrap(), result);
    }
}
