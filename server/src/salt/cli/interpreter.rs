//! Which Python runs the `salt` command: the one that has Salt.

use std::path::{Path, PathBuf};

/// How much of a script is looked at.
const HEAD_MAX: usize = 1024;

/// The directory of a script, as scripts that find their own Python write it; with each of the quotes between them.
const OWN_DIRECTORY: [&str; 3] = [
    "$(dirname \"$(readlink -f \"$0\")\")",
    "$(dirname $(readlink -f $0))",
    "$(dirname $(readlink -f \"$0\"))",
];

/// The interpreter that the first lines of a script name; `directory` is where the script is. `None` when they name
/// no Python.
pub(super) fn of_script(head: &[u8], directory: &Path) -> Option<PathBuf> {
    let head = String::from_utf8_lossy(&head[..head.len().min(HEAD_MAX)]);
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let mut words = first.split_whitespace();
    let program = words.next()?;
    if is_python(program) {
        return Some(PathBuf::from(program));
    }
    if program.ends_with("/env") {
        let name = words.find(|word| !word.starts_with('-'))?;
        return is_python(name).then(|| PathBuf::from(name));
    }
    // A shell, which hands the script over to the Python of an installation that was moved, or is deep in a directory.
    let exec = lines.take(4).find(|line| line.contains("exec"))?;
    let (_, command) = exec.split_once("exec")?;
    let command = command.trim_start_matches(['\'', '"']).trim_start();
    let own = directory.to_string_lossy();
    let command = OWN_DIRECTORY
        .iter()
        .fold(command.to_owned(), |text, form| text.replace(form, &own));
    let path = if let Some(quoted) = command.strip_prefix('"') {
        quoted.split('"').next()?
    } else {
        command.split_whitespace().next()?
    };
    is_python(path).then(|| PathBuf::from(path))
}

fn is_python(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let version = name.strip_prefix("python");
    version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::of_script;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_interpreter_is_found_in_the_scripts_of_every_kind_of_installation() {
        let cases = [
            ("#!/usr/bin/python3\nimport sys\n", Some("/usr/bin/python3")),
            (
                "#!/opt/venv/bin/python3.11\n",
                Some("/opt/venv/bin/python3.11"),
            ),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -s\n", Some("python3")),
            (
                "#!/bin/sh\n'''exec' \"$(dirname \"$(readlink -f \"$0\")\")/bin/python3.10\" \"$0\" \"$@\"\n' '''\n",
                Some("/opt/salt/bin/python3.10"),
            ),
            (
                "#!/bin/sh\n\"exec\" \"$(dirname $(readlink -f $0))/bin/python3\" \"$0\" \"$@\"\n",
                Some("/opt/salt/bin/python3"),
            ),
            (
                "#!/bin/sh\n'''exec' /a/very/long/path/bin/python \"$0\" \"$@\"\n' '''\n",
                Some("/a/very/long/path/bin/python"),
            ),
            ("#!/bin/bash\nssh master salt \"$@\"\n", None),
            ("\x7fELF\x02\x01", None),
            ("", None),
        ];
        for (head, python) in cases {
            let found = of_script(head.as_bytes(), Path::new("/opt/salt"));
            assert_eq!(found, python.map(PathBuf::from), "{head}");
        }
    }
}
