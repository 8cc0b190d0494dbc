//! The browser's part: WASM, JS, CSS and static files.

use crate::Mode;
use crate::process::run;
use crate::setup::WASM;
use crate::wasm_toolchain;
use crate::workspace::Workspace;
use anyhow::Result;

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
