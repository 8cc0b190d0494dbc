//! Set-up: each task names what it needs; what is missing is installed, and said.

use crate::deny;
use crate::process::{on_path, output, run};
use crate::salt;
use crate::wasm_toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The browser's target.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The target of the wrapper that users get: static, so that it runs on any Linux.
pub(crate) fn musl() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Something that a task needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// The standard library for WASM.
    WasmTarget,
    /// The standard library for the static wrapper.
    MuslTarget,
    /// The C compiler for the static wrapper.
    MuslTools,
    /// A Chromium for the browser tests.
    Chromium,
    /// The packages of `end2end/`.
    NodeModules,
    /// Salt, for the lab.
    Salt,
    /// The program that looks at the dependencies.
    CargoDeny,
    /// The C++ compiler for the fuzzer's engine.
    CppCompiler,
}

impl Need {
    /// Everything that any task needs.
    pub(crate) const ALL: [Self; 8] = [
        Self::WasmTarget,
        Self::MuslTarget,
        Self::MuslTools,
        Self::Chromium,
        Self::NodeModules,
        Self::Salt,
        Self::CargoDeny,
        Self::CppCompiler,
    ];
}

/// Installs those of `needs` that are missing.
pub(crate) fn ensure(ws: &Workspace, needs: &[Need]) -> Result<()> {
    let has = |need| needs.contains(&need);
    let mut targets = Vec::new();
    if has(Need::WasmTarget) {
        targets.push(WASM.to_owned());
    }
    if has(Need::MuslTarget) {
        targets.push(musl());
    }
    rust_targets(ws, &targets)?;

    let mut packages = Vec::new();
    if has(Need::MuslTools) && !on_path("musl-gcc") {
        packages.push("musl-tools");
    }
    if has(Need::Chromium) && !chromium_is_here() {
        packages.push("chromium");
    }
    if has(Need::CppCompiler) && !on_path("c++") {
        packages.push("g++");
    }
    debian_packages(ws, &packages)?;

    if has(Need::CargoDeny) {
        deny::ensure(ws)?;
    }
    if has(Need::NodeModules) {
        node_modules(ws)?;
    }
    if has(Need::Salt) {
        salt::ensure(ws)?;
    }
    Ok(())
}

/// The same places where `end2end/playwright.config.ts` looks.
fn chromium_is_here() -> bool {
    std::env::var_os("CHROMIUM").is_some() || Path::new("/usr/bin/chromium").exists()
}

fn rust_targets(ws: &Workspace, targets: &[String]) -> Result<()> {
    let sysroot = output(ws.command("rustc").args(["--print", "sysroot"]))?;
    let std_of = |target: &str| {
        Path::new(&sysroot)
            .join("lib/rustlib")
            .join(target)
            .join("lib")
    };
    let is_here =
        |target: &str| std_of(target).exists() || (target == WASM && wasm_toolchain::is_here());
    let missing: Vec<&String> = targets.iter().filter(|target| !is_here(target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !on_path("rustup") {
        bail!(
            "the Rust in {sysroot} has no standard library for {missing:?}; install it, or use rustup (https://rustup.rs), which this task would have called"
        );
    }
    for target in missing {
        eprintln!("set-up: Rust's standard library for {target}");
        let added = run(ws.command("rustup").args(["target", "add", target]));
        if added.is_err() && target == WASM && on_path("apt-get") {
            eprintln!("set-up: rustup could not; a WASM toolchain from Debian's packages instead");
            wasm_toolchain::make(ws)?;
        } else {
            added?;
        }
    }
    Ok(())
}

pub(crate) fn debian_packages(ws: &Workspace, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("set-up: {} (Debian packages)", packages.join(", "));
    if !on_path("apt-get") {
        bail!(
            "install {} by your system's package manager (for Chromium, you can also set CHROMIUM to the path of a Chrome)",
            packages.join(" and ")
        );
    }
    let apt = |args: &[&str]| {
        let root = output(ws.command("id").arg("-u"))? == "0";
        let mut command = if root {
            ws.command("apt-get")
        } else if on_path("sudo") {
            let mut sudo = ws.command("sudo");
            sudo.arg("apt-get");
            sudo
        } else {
            bail!(
                "install {} as root: apt-get install {}",
                packages.join(" and "),
                packages.join(" ")
            );
        };
        run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // A new machine has no package lists, or old ones that name versions which are gone.
    apt(&["update", "--quiet"])?;
    let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(packages);
    apt(&install)
}

/// `npm ci`, when the lock file is not the one that was installed last.
fn node_modules(ws: &Workspace) -> Result<()> {
    let dir = ws.end2end();
    let lock =
        fs::read(dir.join("package-lock.json")).context("cannot read end2end/package-lock.json")?;
    let installed = dir.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|old| old == lock) {
        return Ok(());
    }
    if !on_path("npm") {
        bail!(
            "the browser tests need Node.js 20 or later with npm; install it (https://nodejs.org)"
        );
    }
    eprintln!("set-up: the packages of end2end/ (npm)");
    run(ws
        .command("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&dir)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))?;
    fs::write(&installed, lock).with_context(|| format!("cannot write {}", installed.display()))
}
