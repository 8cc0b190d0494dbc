//! The browser's part: WASM, JS, CSS and static files.

use crate::Mode;
use crate::process::run;
use crate::setup::WASM;
use crate::wasm_toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What of a release's WASM and JS every page starts with, in bytes after brotli.
const BUDGET: u64 = 400_000;

/// What one chunk of the WASM, which only the page that needs it loads, may weigh, in bytes after brotli.
const CHUNK_BUDGET: u64 = 70_000;

/// Holds the release's site to its budgets.
pub(crate) fn check_budget(ws: &Workspace) -> Result<()> {
    let pkg = ws.site(Mode::Release).join("pkg");
    let mut sum = 0;
    for file in ["saltpeter.wasm.br", "saltpeter.js.br", "chunks.js.br"] {
        sum += size(&pkg.join(file))?;
    }
    println!("WASM + JS after brotli: {sum} of {BUDGET} bytes");
    let mut heavy = Vec::new();
    for file in chunks(&pkg)? {
        let bytes = size(&pkg.join(format!("{file}.br")))?;
        println!("{file} after brotli: {bytes} of {CHUNK_BUDGET} bytes");
        if bytes > CHUNK_BUDGET {
            heavy.push(file);
        }
    }
    ensure!(
        sum <= BUDGET,
        "everything is built, but WASM and JS are {sum} bytes after brotli, more than the {BUDGET} that the dashboard may weigh"
    );
    ensure!(
        heavy.is_empty(),
        "everything is built, but a chunk may weigh {CHUNK_BUDGET} bytes after brotli, and more than that have: {}",
        heavy.join(", ")
    );
    Ok(())
}

/// The files of all chunks, each once.
fn chunks(pkg: &Path) -> Result<BTreeSet<String>> {
    let list = pkg.join("chunks.txt");
    let list =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    // Each line is of a chunk's name and its files.
    let files = list
        .lines()
        .flat_map(|line| line.split_ascii_whitespace().skip(1));
    Ok(files.map(str::to_owned).collect())
}

fn size(file: &Path) -> Result<u64> {
    let meta = fs::metadata(file).with_context(|| format!("{} is missing", file.display()))?;
    Ok(meta.len())
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
