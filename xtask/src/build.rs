//! The binaries.

use crate::Mode;
use crate::process::run;
use crate::setup::{self, Need, musl};
use crate::site;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;

/// What the release wrapper may weigh, in bytes: it is copied to machines.
const WRAPPER_BUDGET: u64 = 4 * 1024 * 1024;

/// Builds the site, then the server around it, and the wrapper.
pub(crate) fn build(ws: &Workspace, mode: Mode) -> Result<()> {
    match mode {
        Mode::Dev => {
            setup::ensure(ws, &[Need::WasmTarget])?;
            site::site(ws, mode)?;
            run(ws
                .cargo()
                .args(["build", "-p", "saltpeter-server", "-p", "saltpeter-wrapper"]))?;
        }
        Mode::Release => {
            setup::ensure(ws, &[Need::WasmTarget, Need::MuslTarget, Need::MuslTools])?;
            site::site(ws, mode)?;
            run(ws
                .cargo()
                .args(["build", "-p", "saltpeter-server", "--release"]))?;
            release_wrapper(ws)?;
        }
    }
    for binary in [ws.server(mode), ws.wrapper(mode)] {
        println!(
            "{} {:.1} MB",
            binary.display(),
            fs::metadata(&binary)?.len() as f64 / 1e6
        );
    }
    if mode == Mode::Release {
        // Last, so that the binaries are there all the same.
        site::check_budget(ws)?;
    }
    Ok(())
}

fn release_wrapper(ws: &Workspace) -> Result<()> {
    let profile = "wrapper-release";
    let target = musl();
    run(ws.cargo().args([
        "build",
        "-p",
        "saltpeter-wrapper",
        "--profile",
        profile,
        "--target",
        &target,
    ]))?;
    let built = ws
        .target
        .join(target)
        .join(profile)
        .join("saltpeter-wrapper");
    let image = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    ensure!(
        is_static(&image)
            .with_context(|| format!("{} is not a 64-bit ELF file", built.display()))?,
        "{} asks for a dynamic loader, so it would not run on every Linux",
        built.display()
    );
    ensure!(
        image.len() as u64 <= WRAPPER_BUDGET,
        "the wrapper is {} bytes, more than the {WRAPPER_BUDGET} that it may be",
        image.len()
    );
    fs::copy(&built, ws.wrapper(Mode::Release))
        .context("cannot copy the wrapper to target/release")?;
    Ok(())
}

/// Whether a little-endian 64-bit ELF executable does without a loader; `None` if it is something else.
fn is_static(image: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    if !image.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    // The place, the size and the number of the program headers, whose first word is their type.
    let headers = word(32)? as usize;
    let size = usize::from(half(54)?);
    for index in 0..usize::from(half(56)?) {
        if word(headers + index * size)? == PT_INTERP {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(header_types: &[u32]) -> Vec<u8> {
        let mut image = vec![0; 64];
        image[..6].copy_from_slice(b"\x7fELF\x02\x01");
        image[32] = 64;
        image[54] = 56;
        image[56] = header_types.len() as u8;
        for kind in header_types {
            image.extend(kind.to_le_bytes());
            image.extend([0; 52]);
        }
        image
    }

    #[test]
    fn a_loader_tells_a_dynamic_executable() {
        assert_eq!(is_static(&elf(&[6, 3, 1])), Some(false));
        assert_eq!(is_static(&elf(&[6, 1, 2])), Some(true));
        assert_eq!(is_static(b"#!/bin/sh"), None);
    }
}
