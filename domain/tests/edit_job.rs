//! Editing one job in the text of its file.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use proptest::prelude::*;
use saltpeter_domain::config::{ChangedFile, JobChange, JobEditError, change_job, job_block};
use std::fmt::Write as _;

fn replace(file: &str, job: &str, text: &str) -> Result<ChangedFile, JobEditError> {
    change_job(file, &JobChange::Replace { job, text })
}

/// Each with what is before it.
fn joined(pieces: &[(String, String)]) -> String {
    let flat = pieces
        .iter()
        .flat_map(|(before, job)| [before.as_str(), job]);
    flat.collect()
}

fn block(file: &str, job: &str) -> (u32, String) {
    let block = job_block(file, job).unwrap().unwrap();
    (block.line, block.text)
}

const FILE: &str = "\
# Ours. Ask marin.
a:            # the first
  schedule: '@daily'
  command: |
    echo a
    # of the command

  targets: '*'
  # of a

# b is for web only
b: {schedule: '@daily', command: 'echo # b',
  targets: 'web*'}

# left over
saltpeter_maintenance:
  machines: []
'c':
  schedule: '@daily'
# in between
  command: x
  targets: '*'
# the end
";

#[test]
fn a_block_is_the_jobs_lines_and_no_more() {
    let (line, text) = block(FILE, "a");
    assert_eq!(line, 2);
    assert!(text.starts_with("a:            # the first\n") && text.ends_with("  # of a\n"));
    assert_eq!(
        block(FILE, "b"),
        (
            12,
            "b: {schedule: '@daily', command: 'echo # b',\n  targets: 'web*'}\n".to_owned()
        )
    );
    let (line, text) = block(FILE, "c");
    assert_eq!(line, 18);
    assert!(text.ends_with("# in between\n  command: x\n  targets: '*'\n"));
    assert_eq!(job_block(FILE, "d").unwrap(), None);
    assert_eq!(job_block(FILE, "saltpeter_maintenance").unwrap(), None);
    assert_eq!(job_block("", "d").unwrap(), None);
}

#[test]
fn replacing_deleting_and_adding_leave_the_rest() {
    let new = "b:\n  schedule: '@hourly'\n  command: y\n  targets: '*'\n\n\n";
    let changed = replace(FILE, "b", new).unwrap();
    assert_eq!(
        changed.text,
        FILE.replace(&block(FILE, "b").1, &format!("{}\n", new.trim_end()))
    );
    assert_eq!(
        (changed.lines, changed.jobs),
        (12..16, vec!["b".to_owned()])
    );
    let renamed = replace(FILE, "b", &new.replacen('b', "z", 1)).unwrap();
    assert_eq!(renamed.jobs, ["z"]);
    let gone = change_job(FILE, &JobChange::Delete { job: "b" }).unwrap();
    assert_eq!(gone.text, FILE.replace(&block(FILE, "b").1, ""));
    let text = "# new\nd:\n  schedule: '@daily'\n  command: x\n  targets: '*'";
    let added = change_job(FILE, &JobChange::Add { text }).unwrap();
    assert_eq!(added.text, format!("{FILE}\n{text}\n"));
    assert_eq!((added.lines, added.jobs), (25..30, vec!["d".to_owned()]));
    let first = change_job("", &JobChange::Add { text }).unwrap();
    assert_eq!((first.text, first.lines), (format!("{text}\n"), 1..6));
}

#[test]
fn files_of_every_form_are_edited_as_they_are() {
    let job = "x: {schedule: '@daily', command: new, targets: '*'}\n";
    for (file, expected) in [
        // Ends of lines, none at the end of the file, a byte order mark, a document's marks.
        (
            "a:\r\n  command: x\r\nx:\r\n  command: x\r\n",
            "a:\r\n  command: x\r\nx: {schedule: '@daily', command: new, targets: '*'}\r\n",
        ),
        ("x: {command: old}", job.trim_end()),
        ("\u{feff}x: {command: old}\n", &format!("\u{feff}{job}")),
        (
            "---\nx:\n  command: |+\n    old\n\n...\n",
            &format!("---\n{job}\n...\n"),
        ),
        (
            ".d: &d {targets: '*'}\nx:\n  <<: *d\n  command: old\ny: {<<: *d, command: y}\n",
            &format!(".d: &d {{targets: '*'}}\n{job}y: {{<<: *d, command: y}}\n"),
        ),
        (
            "\"x\":\n  command: \"old\n    # no comment\n    old\"\n# of y\n? y\n: {command: y}\n",
            "",
        ),
    ] {
        let changed = replace(file, "x", job);
        if expected.is_empty() {
            changed.unwrap_err();
        } else {
            assert_eq!(changed.unwrap().text, expected);
        }
    }
    let indented = "  a: {command: a}\n  x: {command: old}\n";
    assert_eq!(block(indented, "x").1, "  x: {command: old}\n");
    let changed = replace(indented, "x", "  x: {command: new}").unwrap();
    assert_eq!(changed.text, indented.replace("old", "new"));
}

#[test]
fn spaces_at_the_end_of_the_last_line_stay() {
    let file = "x:\n  command: |\n    echo  \ny: {}\n";
    let text = block(file, "x").1;
    assert_eq!(replace(file, "x", &text).unwrap().text, file);
    let changed = replace(file, "x", &format!("{text}\n  \n\n")).unwrap();
    assert_eq!(changed.text, file);
}

#[test]
fn aliases_within_a_text_are_those_of_its_file() {
    let file = ".d: &d {schedule: '@daily', targets: '*'}\nx:\n  <<: *d\n  command: x\n";
    let changed = replace(file, "x", "x: {<<: *d, command: y}").unwrap();
    assert!(changed.text.ends_with("\nx: {<<: *d, command: y}\n"));
    let error = replace(file, "x", "x: {<<: *e, command: y}").unwrap_err();
    assert!(
        matches!(
            error,
            JobEditError::Text {
                line: 1,
                column: 9,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_told_where_it_is() {
    let shared = "a: &a {schedule: '@daily', command: x, targets: '*'}\nb: {<<: *a}\n";
    let told = [
        replace(FILE, "nobody", "a: {}"),
        replace(FILE, "saltpeter_maintenance", "a: {}"),
        replace(FILE, "b", "b:\n  command: \"open\n  targets: x\n"),
        replace(FILE, "b", "b:\n  command: x\n c: y\n"),
        replace(FILE, "b", "b: [\n"),
        replace(FILE, "b", "b: {}\nd: {}\n"),
        replace(FILE, "b", "c: {}\n"),
        replace(FILE, "b", "# nothing\n"),
        replace(FILE, "b", "saltpeter_config: {}\n"),
        replace(FILE, "b", "b c: {}\n"),
        replace(FILE, "b", "  b: {}\n"),
        replace(FILE, "b", "...\n---\nb: {}\n"),
        replace(shared, "a", "a: &a {command: y}\n"),
        replace(shared, "a", "a: {command: y}\n"),
        change_job(shared, &JobChange::Delete { job: "a" }),
        change_job(FILE, &JobChange::Add { text: "b: {}\n" }),
        change_job(FILE, &JobChange::Add { text: "" }),
        replace("a: [", "a", "a: {}"),
        replace("{a: {}}", "a", "a: {}"),
        replace("- a", "a", "a: {}"),
        replace("a: {}\na: {}\n", "a", "a: {}"),
        replace("a: &a {b: {}}\nx: {}\n<<: *a\ny: {}\n", "x", "x: {}"),
        replace("a: {}\nx: {b: 1,\nc: 2}\n", "x", "x: {}"),
    ]
    .map(|changed| match changed {
        Ok(changed) => format!("? {:?}", changed.text),
        Err(error) => error.to_string(),
    });
    insta::assert_snapshot!(told.join("\n"));
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => Just("# a note: 'x\n".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\n# two\n\n# notes [\n".to_owned()),
    ]
}

fn body() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "[a-z]{1,6}".prop_map(|value| format!("  command: {value}y   # why\n")),
        "[ -~äß]{0,12}".prop_map(|text| format!("  cwd: '{}'\n", text.replace('\'', "''"))),
        "([ -~]{0,8}\n){1,4}".prop_map(|text| {
            let mut block = "  note: |\n".to_owned();
            block.push_str("    begin\n");
            for line in text.lines() {
                let _ = writeln!(block, "    {line}");
            }
            block
        }),
        Just("  env:\n    # deep\n    A: 1\n\n    B: [x,\n      y]  # end\n".to_owned()),
        Just("# not indented\n  user: me\n".to_owned()),
        Just("  targets:\n  - a\n  - b\n".to_owned()),
        Just("  # last\n".to_owned()),
    ];
    prop::collection::vec(key, 1..5).prop_map(|keys| {
        let mut text = "  schedule: '@daily'\n".to_owned();
        let mut seen = Vec::new();
        for key in keys {
            let name = key
                .trim_start()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned();
            if name.starts_with('#') && !key.starts_with("# not") || !seen.contains(&name) {
                seen.push(name);
                text.push_str(&key);
            }
        }
        text
    })
}

prop_compose! {
    /// A file in pieces: what stands before each job, and each job.
    fn pieces()(jobs in prop::collection::vec((comment(), body()), 1..6), head in comment()) -> Vec<(String, String)> {
        let mut pieces: Vec<(String, String)> = Vec::new();
        for (index, (before, body)) in jobs.into_iter().enumerate() {
            let before = if index == 0 { format!("{head}{before}") } else { before };
            pieces.push((before, format!("job{index}:\n{body}")));
        }
        pieces
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replacing_any_job_of_any_file_changes_no_byte_outside_of_it(
        pieces in pieces(), tail in comment(), which in any::<prop::sample::Index>(), new in body(), crlf in prop::bool::ANY,
    ) {
        let join = |pieces: &[(String, String)]| -> String {
            let text = format!("{}{tail}", joined(pieces));
            if crlf { text.replace('\n', "\r\n") } else { text }
        };
        let file = join(&pieces);
        let index = which.index(pieces.len());
        let name = format!("job{index}");
        let (line, old) = block(&file, &name);
        // What it takes for the block is the block, but for blank lines at its end.
        let own = if crlf { pieces[index].1.replace('\n', "\r\n") } else { pieces[index].1.clone() };
        prop_assert_eq!(old.trim_end(), own.trim_end());
        let start = file.find(&old).unwrap();
        prop_assert_eq!(file[..start].matches('\n').count() + 1, line as usize);

        // The same text again changes nothing at all.
        prop_assert_eq!(&replace(&file, &name, &old).unwrap().text, &file);
        prop_assert_eq!(&replace(&file, &name, &old.replace("\r\n", "\n")).unwrap().text, &file);

        let new = format!("{name}:\n{}", new.trim_end());
        let changed = replace(&file, &name, &new).unwrap();
        let (before, after) = (&file[..start], &file[start + old.len()..]);
        prop_assert!(changed.text.starts_with(before));
        prop_assert!(changed.text.ends_with(after));
        let middle = &changed.text[before.len()..changed.text.len() - after.len()];
        prop_assert_eq!(middle.trim_end().replace("\r\n", "\n"), new.trim_end());
        prop_assert_eq!(&changed.jobs, std::slice::from_ref(&name));
        // And back.
        prop_assert_eq!(&replace(&changed.text, &name, &old).unwrap().text, &file);

        let gone = change_job(&file, &JobChange::Delete { job: &name }).unwrap();
        prop_assert_eq!(gone.text, format!("{before}{after}"));
    }

    #[test]
    fn any_text_is_taken_or_refused_and_reaches_no_other_job(pieces in pieces(), text in "([ -~]{0,12}\n){0,4}") {
        let file = joined(&pieces);
        if let Ok(changed) = replace(&file, "job0", &text) {
            for index in 1..pieces.len() {
                let name = format!("job{index}");
                prop_assert_eq!(block(&changed.text, &name).1, block(&file, &name).1);
            }
        }
    }
}
