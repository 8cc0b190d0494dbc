//! Salt itself, in a virtual environment that all checkouts with the same requirements share.

use crate::process::{on_path, run};
use crate::setup::debian_packages;
use crate::workspace::{Workspace, cache_dir};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Installs Salt where it is missing, and returns its virtual environment.
pub(crate) fn ensure(ws: &Workspace) -> Result<PathBuf> {
    let requirements = ws.root.join("testkit/salt/requirements.txt");
    let text = fs::read(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let cache = cache_dir().context("neither XDG_CACHE_HOME nor HOME is set")?;
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let venv = cache.join(format!("salt-{:016x}", fingerprint(&text)));
    if works(&venv) {
        return Ok(venv);
    }
    // Its scripts name its directory, so it cannot be made elsewhere and moved: one maker at a time instead.
    let lock = File::create(venv.with_extension("lock"))?;
    lock.lock()
        .with_context(|| format!("cannot lock {}", venv.display()))?;
    if !works(&venv) {
        make(ws, &venv, &requirements)?;
    }
    Ok(venv)
}

fn make(ws: &Workspace, venv: &Path, requirements: &Path) -> Result<()> {
    eprintln!(
        "set-up: Salt, in {} (Python packages, some minutes)",
        venv.display()
    );
    if !on_path("python3") {
        debian_packages(ws, &["python3", "python3-venv"])?;
    }
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot remove {}", venv.display()))?;
    }
    let made = run(ws.command("python3").args(["-m", "venv"]).arg(venv));
    if made.is_err() && on_path("apt-get") {
        // Debian's Python comes without it.
        debian_packages(ws, &["python3-venv"])?;
        run(ws.command("python3").args(["-m", "venv"]).arg(venv))?;
    } else {
        made?;
    }
    let pip = run(ws
        .command(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-input"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(requirements));
    if let Err(problem) = pip {
        bail!(
            "{problem:#}; the versions in {} are of Python 3.11 and later",
            requirements.display()
        );
    }
    fs::write(complete(venv), "").context("cannot note that Salt is complete")
}

/// Whether it was made whole, and its Python is still there.
fn works(venv: &Path) -> bool {
    complete(venv).exists()
        && Command::new(venv.join("bin/python"))
            .args(["-c", ""])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

fn complete(venv: &Path) -> PathBuf {
    venv.join("complete")
}

/// FNV-1a: the same for the same text with any compiler.
fn fingerprint(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_fnv_1a() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
