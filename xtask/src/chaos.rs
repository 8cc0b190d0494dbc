//! The proofs with real processes: `saltpeter-chaos` on freshly built binaries.

use crate::Mode;
use crate::counts::Counts;
use crate::process::run;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use std::process::Command;

/// Runs `saltpeter-chaos` with these arguments. With `--release` among them, everything is built for release.
pub(crate) fn chaos(ws: &Workspace, args: &[String]) -> Result<()> {
    let is_release = args.iter().any(|arg| arg == "--release");
    let mode = if is_release { Mode::Release } else { Mode::Dev };
    let mut build = ws.cargo();
    build.args(["build", "--bins"]);
    for package in ["saltpeter-server", "saltpeter-wrapper", "saltpeter-chaos"] {
        build.args(["--package", package]);
    }
    if is_release {
        build.arg("--release");
    }
    run(&mut build)?;
    run(program(ws, mode).args(args.iter().filter(|arg| *arg != "--release")))
}

/// The same as `cargo xtask soak`.
pub(crate) fn soak(ws: &Workspace, args: &[String]) -> Result<()> {
    let mut all = vec!["soak".to_owned()];
    all.extend_from_slice(args);
    chaos(ws, &all)
}

/// Seeds that found a bug each: a job's first instant that passed while no server was there (6), instants that were due while
/// the disk was full (4), machines that were lost because the clock was set (12).
const KEPT_SEEDS: &str = "4,6,12";

/// The step of the tests: three seeds at the same time, and the two stories in small, on the binaries of the step `build`.
pub(crate) fn test(ws: &Workspace) -> Result<Counts> {
    ensure!(
        ws.binaries(Mode::Dev).join("saltpeter-chaos").exists(),
        "saltpeter-chaos is missing; run the step build"
    );
    let parts: [&[&str]; 3] = [
        &["--seeds", KEPT_SEEDS, "--seconds", "20", "--at-once", "3"],
        &["--scenario", "kill200", "--size", "16"],
        &["--scenario", "cuts1000", "--size", "60"],
    ];
    let mut counts = Counts::default();
    for args in parts {
        match run(program(ws, Mode::Dev).args(args)) {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                eprintln!("{error:#}");
                counts.failed += 1;
            }
        }
    }
    Ok(counts)
}

fn program(ws: &Workspace, mode: Mode) -> Command {
    let mut command = ws.command(ws.binaries(mode).join("saltpeter-chaos"));
    command
        .env("SALTPETER_BIN", ws.server(mode))
        .env("SALTPETER_WRAPPER", ws.wrapper(mode));
    command
}
