//! What the source has to be like where a compiler does not see to it: no unsafe code, no SQL from texts, no path from a text
//! that nobody looked at. Who adds such a place adds it to a list here, with the reason for which it does no harm.

use std::fs;
use std::path::{Path, PathBuf};

/// Statements that are put together, beside those of a module `query`, whose functions take nothing.
const PUT_TOGETHER: [(&str, &str, &str); 3] = [
    (
        "server/src/store/lists.rs",
        "chosen::runs(asked)",
        "constants, by which filters there are",
    ),
    (
        "server/src/store/output/insert.rs",
        "self.statements[powerasusize].as_str()",
        "a constant and question marks",
    ),
    (
        "server/src/store/output/writer/tidy.rs",
        "vacuum",
        "a number",
    ),
];

/// Where a path is made of something that is no constant.
const PATHS: [(&str, &str, &str); 23] = [
    (
        "server/src/config_dir.rs",
        "&name",
        "of the directory's own listing",
    ),
    (
        "server/src/executor/salt/binaries.rs",
        "format!(\".{name}.{:016x}\",rand::random::<u64>())",
        "a hash and a number",
    ),
    ("server/src/executor/salt/binaries.rs", "name", "a hash"),
    (
        "server/src/joblog/files.rs",
        "format!(\"{job}.log\")",
        "a JobName",
    ),
    (
        "server/src/cli/remote.rs",
        "path",
        "of an address, not of a file; constants and names",
    ),
    (
        "server/src/ops/config_file.rs",
        "name",
        "of the directory's own listing, or a JobName with an ending",
    ),
    (
        "server/src/ops/config_file.rs",
        "format!(\".{}.new\",name.to_string_lossy())",
        "of the directory's own listing, or a JobName with an ending",
    ),
    (
        "server/src/ops/editor.rs",
        "name",
        "of the directory's own listing, or a JobName with an ending",
    ),
    (
        "server/src/ops/maintenance.rs",
        "&name",
        "of the directory's own listing",
    ),
    ("server/src/salt/cli/mod.rs", "command", "a setting"),
    (
        "server/src/sinks/cluster.rs",
        "path",
        "of an address, not of a file; constants",
    ),
    ("server/src/sinks/mod.rs", "target.name", "a constant"),
    (
        "server/src/sinks/spool.rs",
        "format!(\"{number:012}.ndjson\")",
        "a number",
    ),
    (
        "server/src/store/output/fingerprint.rs",
        "before[n],after[n],length",
        "no path; numbers",
    ),
    (
        "server/src/store/output/stream.rs",
        "before.fingerprint,body.fingerprint,added",
        "no path; numbers",
    ),
    ("wrapper/src/lock.rs", "kind", "a constant"),
    ("wrapper/src/lock.rs", "machine.as_str()", "a MachineId"),
    ("wrapper/src/lock.rs", "name", "a JobName or a RunId"),
    ("wrapper/src/log.rs", "format!(\"{job}.log\")", "a JobName"),
    (
        "wrapper/src/log.rs",
        "format!(\"{job}.log.1\")",
        "a JobName",
    ),
    (
        "wrapper/src/process/cgroup.rs",
        "below",
        "of the kernel's own listing",
    ),
    (
        "wrapper/src/process/cgroup.rs",
        "format!(\"{PREFIX}{}-{:08x}\",std::process::id(),random()>>32)",
        "numbers",
    ),
    ("wrapper/src/spool.rs", "&self.name", "a RunId and a number"),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The files below a directory that end in `end`, but for what is built.
pub(crate) fn files(directory: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name) {
                files(&path, end, found);
            }
        } else if name.ends_with(end) {
            found.push(path);
        }
    }
}

/// What is shipped of a crate's Rust, by path from the root; without tests.
fn shipped(of: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files(&root().join(of).join("src"), ".rs", &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| !name.contains("/tests") && !name.contains("/contract"))
        .map(|(name, text)| {
            let end = text.find("\n#[cfg(test)]\nmod tests").unwrap_or(text.len());
            (name, text[..end].to_owned())
        })
        .collect()
}

/// The arguments of each call that begins with `call`, without white space.
fn arguments(text: &str, call: &str) -> Vec<String> {
    text.match_indices(call)
        .map(|(at, _)| {
            let rest = &text[at + call.len()..];
            let mut depth = 1_u32;
            let end = rest.find(|c: char| {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            let within = &rest[..end.unwrap_or(rest.len())];
            within.split_whitespace().collect::<Vec<_>>().concat()
        })
        .collect()
}

fn is_constant(argument: &str) -> bool {
    let argument = argument.trim_end_matches(',');
    let quoted = argument.starts_with('"') && argument.ends_with('"');
    let name = |c: char| c.is_ascii_uppercase() || c == '_' || c == ':';
    quoted || (!argument.is_empty() && argument.chars().all(name))
}

#[test]
fn no_crate_may_have_unsafe_code() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    // What is forbidden cannot be allowed further in.
    assert!(workspace.contains("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    let mut manifests = Vec::new();
    files(&root(), "Cargo.toml", &mut manifests);
    assert!(manifests.len() > 10, "{manifests:?}");
    for path in manifests
        .iter()
        .filter(|path| **path != root().join("Cargo.toml"))
    {
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true\n"),
            "{} does not take the workspace's lints, by which unsafe code is forbidden",
            path.display()
        );
    }
}

#[test]
fn sql_is_constant_and_its_values_are_bound() {
    let all = shipped("server");
    assert!(all.iter().any(|(_, text)| text.contains("sqlx::query(")));
    for (file, text) in &all {
        assert!(!text.contains("raw_sql"), "{file}");
        // sqlx takes constants and, by this name, whatever somebody vouches for.
        for argument in arguments(text, "AssertSqlSafe(") {
            let is_fixed = argument.starts_with("query::") && argument.ends_with("()");
            let vouched = PUT_TOGETHER
                .iter()
                .any(|(of, known, _)| of == file && *known == argument);
            assert!(
                is_constant(&argument) || is_fixed || vouched,
                "{file}: {argument} is put together; bind its values, or vouch for it in {}",
                file!()
            );
        }
        for call in ["QueryBuilder::<Sqlite>::new(", "upsert.push("] {
            for argument in arguments(text, call) {
                assert!(is_constant(&argument), "{file}: {argument}");
            }
        }
        // What the functions of a module `query` are made of is constant, for they take nothing.
        let Some(start) = text.find("mod query {") else {
            continue;
        };
        let module = &text[start..start + text[start..].find("\n}\n").unwrap()];
        for function in module.split(" fn ").skip(1) {
            let takes = function.split_once('(').unwrap().1;
            assert!(takes.starts_with(')'), "{file}: fn {function}");
        }
    }
}

#[test]
fn paths_are_made_of_constants_and_of_names_that_were_checked() {
    let mut found = Vec::new();
    for of in ["server", "wrapper"] {
        for (file, text) in shipped(of) {
            for argument in arguments(&text, ".join(") {
                // Texts and tasks are joined too.
                let is_path = !argument.is_empty() && !is_constant(&argument);
                if is_path {
                    found.push((file.clone(), argument));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    for (file, argument) in &found {
        let known = PATHS
            .iter()
            .any(|(of, text, _)| of == file && text == argument);
        assert!(
            known,
            "{file}: .join({argument}) may be a path; look where it comes from, and enter it in {}",
            file!()
        );
    }
    for (file, argument, _) in PATHS {
        let is_there = found
            .iter()
            .any(|(of, text)| of == file && text == argument);
        assert!(is_there, "{file}: .join({argument}) is not there any more");
    }
}
