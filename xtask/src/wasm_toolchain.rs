//! Another way to WASM, for a Debian where rustup cannot fetch the target: Debian's compiler, with
//! the standard library compiled once from Debian's source, linked as a toolchain of its own.

use crate::process::{output, run};
use crate::setup::{WASM, debian_packages};
use crate::workspace::{Workspace, cache_dir};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What rustup calls the toolchain.
const NAME: &str = "saltpeter-wasm";

const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// Where it is made, if there is a cache directory.
fn place() -> Result<PathBuf> {
    Ok(cache_dir()
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("wasm-toolchain"))
}

/// Whether it was made and linked.
pub(crate) fn is_here() -> bool {
    place().is_ok_and(|dir| dir.join("linked").exists())
}

/// Cargo of this toolchain, at the root.
pub(crate) fn cargo(ws: &Workspace) -> Command {
    let mut command = ws.command("rustup");
    command.args(["run", NAME, "cargo"]);
    for leftover in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(leftover);
    }
    // Debian's rustc comes without a linker for WASM.
    command.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
        "/usr/bin/wasm-ld-22",
    );
    command.env("CARGO_TARGET_DIR", &ws.target);
    command
}

/// Makes it.
pub(crate) fn make(ws: &Workspace) -> Result<()> {
    debian_packages(ws, &PACKAGES)?;
    let dir = place()?;
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }

    let empty = dir.join("std");
    fs::create_dir_all(empty.join("src"))?;
    fs::write(
        empty.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nedition = \"2024\"\n",
    )?;
    fs::write(empty.join("src/lib.rs"), "")?;
    run(debian("cargo")
        .args([
            "build",
            "--release",
            "-Zbuild-std=std,panic_abort",
            "--target",
            WASM,
        ])
        .current_dir(&empty)
        .env("CARGO_TARGET_DIR", empty.join("target")))?;

    let own = dir.join("lib/rustlib").join(WASM).join("lib");
    fs::create_dir_all(&own)?;
    for entry in fs::read_dir(empty.join("target").join(WASM).join("release/deps"))? {
        let rlib = entry?.path();
        if let Some(name) = rlib
            .file_name()
            .filter(|_| rlib.extension().is_some_and(|e| e == "rlib"))
        {
            fs::copy(&rlib, own.join(name))?;
        }
    }
    // Macros and build scripts run here, so the host's standard library belongs to it as well.
    let sysroot = output(debian("rustc").args(["--print", "sysroot"]))?;
    let host = output(debian("rustc").args(["--print", "host-tuple"]))?;
    let host = Path::new("lib/rustlib").join(host);
    symlink(Path::new(&sysroot).join(&host), dir.join(&host))?;
    fs::create_dir(dir.join("bin"))?;
    symlink("/usr/bin/cargo", dir.join("bin/cargo"))?;
    for tool in ["rustc", "rustdoc"] {
        let script = dir.join("bin").join(tool);
        fs::write(
            &script,
            format!(
                "#!/bin/sh\nexec /usr/bin/{tool} --sysroot {} \"$@\"\n",
                dir.display()
            ),
        )?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    run(ws
        .command("rustup")
        .args(["toolchain", "link", NAME])
        .arg(&dir))?;
    fs::write(dir.join("linked"), "").context("cannot note that the toolchain is complete")
}

/// A tool of Debian's, free of what the cargo that runs this task has set.
fn debian(tool: &str) -> Command {
    let mut command = Command::new(Path::new("/usr/bin").join(tool));
    for leftover in ["CARGO", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        command.env_remove(leftover);
    }
    command
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1");
    command
}
