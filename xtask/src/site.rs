//! The browser's part: WASM, JS, CSS and static files.

use crate::Mode;
use crate::process::run;
use crate::setup::WASM;
use crate::wasm_toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;

/// What a release's WASM and JS together may weigh on the wire, in bytes after brotli.
const BUDGET: u64 = 400_000;

/// Holds the release's site to its budget.
pub(crate) fn check_budget(ws: &Workspace) -> Result<()> {
    let mut sum = 0;
    for file in ["saltpeter.wasm.br", "saltpeter.js.br"] {
        let file = ws.site(Mode::Release).join("pkg").join(file);
        let meta = fs::metadata(&file).with_context(|| format!("{} is missing", file.display()))?;
        sum += meta.len();
    }
    println!("WASM + JS after brotli: {sum} of {BUDGET} bytes");
    ensure!(
        sum <= BUDGET,
        "everything is built, but WASM and JS are {sum} bytes after brotli, more than the {BUDGET} that the dashboard may weigh"
    );
    Ok(())
}

/// Builds the WASM and has `xtask-site` make the site of it.
pub(crate) fn site(ws: &Workspace, mode: Mode) -> Result<()> {
    let (profile, name) = match mode {
        Mode::Dev => ("wasm-dev", "dev"),
        Mode::Release => ("wasm-release", "release"),
    };
    let mut cargo = if wasm_toolchain::is_here() {
        wasm_toolchain::cargo(ws)
    } else {
        ws.cargo()
    };
    run(cargo.args([
        "build",
        "--package",
        "frontend",
        "--target",
        WASM,
        "--profile",
        profile,
    ]))?;
    let wasm = ws.target.join(WASM).join(profile).join("frontend.wasm");
    run(ws
        .cargo()
        .args(["run", "--package", "xtask-site", "--", name])
        .args([wasm, ws.site(mode), ws.target.join("saltpeter.css")]))
}
