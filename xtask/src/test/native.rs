//! The tests in Rust: those that need nothing, and those on a real Salt.

use super::agree;
use crate::Mode;
use crate::counts::{self, Counts};
use crate::process::{on_path, output, run};
use crate::salt;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The test binary that needs a Salt: `server/tests/salt/`.
const SALT_TESTS: &str = "salt";

/// The address of a real cluster for documents. The one test that needs it is ignored elsewhere, so that it counts
/// only where it asks something.
const CLUSTER: &str = "OPENSEARCH_URL";
const CLUSTER_TEST: &str = "a_real_cluster_takes_all_of_it";

/// The native tests, by nextest where it is installed; those on a real Salt have a step of their own.
pub(super) fn unit(ws: &Workspace) -> Result<Counts> {
    if on_path("cargo-nextest") {
        let filter = format!("not binary({SALT_TESTS})");
        let mut counts = nextest(ws, &["--workspace", "--filterset", &filter])?;
        if has_cluster() {
            let filter = format!("test({CLUSTER_TEST})");
            let only = ["--run-ignored", "only", "--filterset", &filter];
            counts += nextest(ws, &[&["--workspace"], only.as_slice()].concat())?;
        }
        return Ok(counts);
    }
    let targets = integration_tests(ws)?;
    let mut cargo = with_binaries(ws);
    cargo.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    for name in targets.iter().filter(|name| *name != SALT_TESTS) {
        cargo.args(["--test", name]);
    }
    let mut counts = libtest(&mut cargo)?;
    if has_cluster() {
        let only = [
            "test",
            "--workspace",
            "--lib",
            CLUSTER_TEST,
            "--",
            "--ignored",
        ];
        counts += libtest(with_binaries(ws).args(only))?;
    }
    Ok(counts)
}

fn has_cluster() -> bool {
    std::env::var_os(CLUSTER).is_some_and(|address| !address.is_empty())
}

/// The tests on a real Salt, which is brought up for them unless it is up already.
pub(super) fn on_salt(ws: &Workspace) -> Result<Counts> {
    let found = salt::up(ws)?;
    let result = salt_tests(ws);
    if found == salt::Found::Started {
        salt::down(ws)?;
    }
    result
}

fn salt_tests(ws: &Workspace) -> Result<Counts> {
    if on_path("cargo-nextest") {
        // All of the workspace, for the features with which the dependencies are built are those of its members.
        let filter = format!("binary({SALT_TESTS})");
        return nextest(ws, &["--workspace", "--filterset", &filter]);
    }
    // One at a time: libtest knows no groups, and some tests stop minions that others need.
    libtest(
        with_binaries(ws)
            .args([
                "test",
                "--no-fail-fast",
                "--workspace",
                "--test",
                SALT_TESTS,
            ])
            .args(["--", "--test-threads=1"]),
    )
}

/// Cargo, for tests that start our binaries.
fn with_binaries(ws: &Workspace) -> Command {
    let mut cargo = ws.cargo();
    cargo
        .env("SALTPETER_BIN", ws.server(Mode::Dev))
        .env("SALTPETER_WRAPPER", ws.wrapper(Mode::Dev))
        .env(saltpeter_salt_lab::VARIABLE, salt::place(ws));
    cargo
}

fn nextest(ws: &Workspace, args: &[&str]) -> Result<Counts> {
    // Where .config/nextest.toml has it written.
    let report = ws.root.join("target/nextest/default/junit.xml");
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
    }
    let result = run(with_binaries(ws)
        .args(["nextest", "run", "--no-fail-fast"])
        .args(args));
    // Without a report nothing ran, and nextest's own error says why.
    let Ok(text) = fs::read_to_string(&report) else {
        result?;
        bail!("nextest left no report in {}", report.display());
    };
    agree(counts::of_junit(&text)?, result)
}

/// The names of the workspace's integration tests.
fn integration_tests(ws: &Workspace) -> Result<Vec<String>> {
    let metadata = output(
        ws.cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: Value =
        serde_json::from_str(&metadata).context("cargo's metadata is not JSON")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect())
}

fn libtest(command: &mut Command) -> Result<Counts> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            text.push_str(&line);
            text.push('\n');
        }
    }
    let result = if child.wait()?.success() {
        Ok(())
    } else {
        Err(anyhow::anyhow!("cargo test failed"))
    };
    agree(counts::of_libtest(&text), result)
}
