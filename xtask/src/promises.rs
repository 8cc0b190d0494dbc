//! What `docs/SECURITY.md` names as shown by a test has to be there: the file, and the function in it.

use crate::review::{files, root};
use std::fs;
use std::path::PathBuf;

/// Where files that are named in short are looked for.
const PLACES: [&str; 5] = [
    "",
    "server/tests",
    "server/src",
    "wrapper/tests",
    "xtask/src",
];

/// The points of the requirement that the document answers, each with the heading under which it does.
const POINTS: [(&str, &str); 7] = [
    ("people", "## People and browsers"),
    ("browsers", "### Another web site that a user looks at"),
    ("machines", "## Machines"),
    ("secrets", "## Secrets"),
    ("audit", "## Audit"),
    ("untrusted input", "## Untrusted input"),
    ("supply chain", "## Supply chain"),
];

fn document() -> String {
    fs::read_to_string(root().join("docs/SECURITY.md")).unwrap()
}

/// What is set in code, each with the text between it and the one before.
fn in_code(text: &str) -> Vec<(&str, &str)> {
    let mut parts = text.split('`');
    let mut found = Vec::new();
    while let (Some(before), Some(code)) = (parts.next(), parts.next()) {
        found.push((before, code));
    }
    found
}

/// Whether it looks like a file of the source, or a directory of it.
fn is_path(code: &str) -> bool {
    let signs = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    let ends = [".rs", ".ts", ".css"].iter().any(|end| code.ends_with(end));
    let within = ["domain/", "server/", "wrapper/", "api/", "fuzz/", "xtask/"];
    // Routes begin with a slash.
    let is_directory = within.iter().any(|start| code.starts_with(start));
    code.chars().all(signs) && (ends || is_directory)
}

/// The files of source that a name in short stands for, of a directory all; `None` when there is nothing of that name.
fn named(code: &str) -> Option<Vec<PathBuf>> {
    let (mut found, mut is_there) = (Vec::new(), false);
    let short = code.strip_prefix("wrapper/").unwrap_or(code);
    for place in PLACES {
        for name in [code, short] {
            let path = root().join(place).join(name);
            is_there |= path.exists();
            if path.is_dir() {
                files(&path, ".rs", &mut found);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    is_there.then_some(found)
}

/// Whether one of the files has a test of that name.
fn has_test(paths: &[PathBuf], name: &str) -> bool {
    paths.iter().any(|path| {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let is_it = |line: &str| {
            let line = line.trim_start().trim_start_matches("async ");
            line.strip_prefix("fn ")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('('))
        };
        lines.iter().enumerate().any(|(at, line)| {
            is_it(line)
                && lines[..at]
                    .iter()
                    .rev()
                    .take(3)
                    .any(|above| above.contains("test") && above.contains("#["))
        })
    })
}

#[test]
fn what_is_named_as_shown_by_a_test_is_there() {
    let text = document().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paths = Vec::new();
    let (mut of, mut tests, mut lacking) = ("", 0, Vec::new());
    for (before, code) in in_code(&text) {
        let words = code.contains('_')
            && code
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if is_path(code) {
            of = code;
            paths = named(code).unwrap_or_else(|| {
                lacking.push(format!("{code}: there is no such file"));
                Vec::new()
            });
        } else if words && !of.is_empty() && [" ", ", "].contains(&before) {
            tests += 1;
            if !has_test(&paths, code) {
                lacking.push(format!("{of}: there is no test {code}"));
            }
        } else {
            of = "";
        }
    }
    assert!(lacking.is_empty(), "docs/SECURITY.md: {lacking:#?}");
    assert!(
        tests > 80,
        "{tests} were found; the way they are named has changed"
    );
}

#[test]
fn each_limit_has_a_test() {
    let text = document();
    let section = text.split("\n## Limits\n").nth(1).unwrap();
    let rows: Vec<&str> = section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() > 15, "{rows:#?}");
    for row in rows {
        let shown = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap();
        let codes = in_code(shown);
        let file = codes.iter().any(|(_, code)| is_path(code));
        let test = codes.iter().any(|(_, code)| !is_path(code));
        assert!(file && test, "names no test: {row}");
    }
}

#[test]
fn each_point_has_its_part() {
    let text = document();
    for (point, heading) in POINTS {
        let part = text.split(&format!("\n{heading}\n")).nth(1);
        let part = part.unwrap_or_else(|| panic!("{point}: {heading} is not there"));
        let part = part.split("\n## ").next().unwrap();
        assert!(
            in_code(part).iter().any(|(_, code)| is_path(code)),
            "{point}: nothing under {heading} names what shows it"
        );
    }
}
