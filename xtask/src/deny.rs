//! What the dependencies are like: `cargo deny`, by the rules of `deny.toml`.

use crate::advisories::Database;
use crate::counts::Counts;
use crate::process::run;
use crate::workspace::{Workspace, cache_dir};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The version whose rules `deny.toml` is written in.
const VERSION: &str = "0.20.2";

/// How long the fetching of the database of known holes may take. Behind some firewalls it would take for ever.
const FETCH_WITHIN: Duration = Duration::from_mins(1);

/// Installs cargo-deny unless it is there. Not optimised: it is built in a minute, and runs for two seconds.
pub(crate) fn ensure(ws: &Workspace) -> Result<()> {
    let root = root(ws);
    if program(&root).exists() {
        return Ok(());
    }
    eprintln!("set-up: cargo-deny {VERSION} (crates.io)");
    let mut install = ws.cargo();
    install
        .args(["install", "cargo-deny", "--locked", "--debug"])
        .args(["--version", VERSION, "--root"])
        .arg(&root)
        // In a directory that cargo deletes when it is done.
        .env_remove("CARGO_TARGET_DIR");
    run(&mut install)
}

/// The step of the tests: licences, duplicates and sources; known holes by the database that is checked in, and by the whole
/// of `RustSec`'s where that can be fetched.
pub(crate) fn test(ws: &Workspace) -> Result<Counts> {
    let deny = || {
        let mut command = ws.command(program(&root(ws)));
        command.args(["--locked", "--log-level", "warn"]);
        command
    };
    run(deny().args([
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    let mut counts = Counts {
        passed: 3,
        failed: 0,
    };
    counts += by_the_checked_in(ws, &deny)?;
    counts += by_the_whole(&deny)?;
    Ok(counts)
}

/// Known holes by what is in `xtask/advisories`: none is there, and one that is made up is found.
fn by_the_checked_in(ws: &Workspace, deny: &impl Fn() -> Command) -> Result<Counts> {
    let rules = fs::read_to_string(ws.root.join("deny.toml")).context("cannot read deny.toml")?;
    let lock = fs::read_to_string(ws.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let source = ws.root.join("xtask/advisories");
    let place = ws.target.join("advisories");
    let database = Database::make(&source, &rules, &lock, &place)?;
    ensure!(
        database.not_looked_up.is_empty(),
        "nobody has looked up the known holes of {:?}; xtask/advisories/README.md says how",
        database.not_looked_up
    );
    // What it needs of crates.io, the check before has fetched.
    let check = || {
        let mut check = deny();
        check.arg("--offline").arg("--config").arg(&database.config);
        check.args(["check", "--hide-inclusion-graph", "advisories"]);
        check
    };
    eprintln!("Known holes: {}.", database.age);
    run(&mut check())?;
    let number = database.make_something_up()?;
    let found = check().stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&found.stderr);
    ensure!(
        !found.status.success() && said.contains(number),
        "cargo-deny does not find {number}, which concerns every version of a crate in use: it finds nothing, or said this:\n{said}"
    );
    Ok(Counts {
        passed: 2,
        failed: 0,
    })
}

/// Known holes by the whole of `RustSec`'s database, where it is here or can be fetched.
fn by_the_whole(deny: &impl Fn() -> Command) -> Result<Counts> {
    let fetched = within(deny().args(["fetch", "db"]), FETCH_WITHIN)?;
    let databases = cargo_home().map(|home| home.join("advisory-dbs"));
    let Some(path) = databases.filter(|path| has_database(path)) else {
        eprintln!(
            "Holes that became known later are NOT checked: RustSec's whole database is not here and cannot be fetched from this network."
        );
        return Ok(Counts::default());
    };
    if !fetched {
        eprintln!(
            "RustSec's whole database in {} cannot be brought up to date from this network.",
            path.display()
        );
    }
    run(deny().args(["--offline", "check", "advisories"]))?;
    Ok(Counts {
        passed: 1,
        failed: 0,
    })
}

/// Where cargo-deny is installed: in the user's cache, else beside what is built.
fn root(ws: &Workspace) -> PathBuf {
    let tools = cache_dir().map_or_else(|| ws.target.join("tools"), |cache| cache.join("tools"));
    tools.join(format!("cargo-deny-{VERSION}"))
}

fn program(root: &Path) -> PathBuf {
    root.join("bin/cargo-deny")
}

/// Where cargo keeps what it downloads, and cargo-deny its databases.
fn cargo_home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    named
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
}

/// Whether a database is in one of the directories in `path`.
fn has_database(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.path().join("crates").is_dir())
}

/// Runs a program in silence and says whether it succeeded in time.
fn within(command: &mut Command, time: Duration) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Git, which it calls, must not wait for a name and a password that nobody will type.
        .env("GIT_TERMINAL_PROMPT", "0")
        .spawn()
        .context("cannot start cargo-deny")?;
    let begun = Instant::now();
    while begun.elapsed() < time {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(50));
    }
    if let Err(error) = child.kill() {
        bail!("cannot end cargo-deny: {error}");
    }
    child.wait()?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_told_from_a_lock_and_from_a_failed_attempt() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_database(&dir.path().join("nowhere")));
        fs::write(dir.path().join("db.lock"), "").unwrap();
        fs::create_dir(dir.path().join("advisory-db-1")).unwrap();
        assert!(!has_database(dir.path()));
        fs::create_dir(dir.path().join("advisory-db-1/crates")).unwrap();
        assert!(has_database(dir.path()));
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let sleep = |seconds: &str| {
            let mut command = Command::new("sleep");
            command.arg(seconds);
            command
        };
        assert!(within(&mut sleep("0"), Duration::from_mins(1)).unwrap());
        let begun = Instant::now();
        assert!(!within(&mut sleep("60"), Duration::from_millis(100)).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
