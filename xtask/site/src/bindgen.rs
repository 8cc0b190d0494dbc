//! The JS side of the WASM module, made by wasm-bindgen as a library of the same version as the
//! one in the WASM, so that there is no tool to install and nothing that can be out of step.

use crate::{Mode, NAME};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use wasm_bindgen_cli_support::Bindgen;

/// Writes `NAME.js`, `NAME.wasm` and any JS snippets of the main module `wasm` into `pkg`.
pub(crate) fn bind(mode: Mode, wasm: Vec<u8>, pkg: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen
        .input_bytes(NAME, wasm)
        .out_name(NAME)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        // The chunks put their functions into the main module's table.
        .keep_lld_exports(true)
        .remove_name_section(mode == Mode::Release)
        .remove_producers_section(mode == Mode::Release);
    bindgen
        .generate(pkg)
        .context("wasm-bindgen cannot take the main module")?;
    // Leptos asks for NAME.wasm; wasm-bindgen writes NAME_bg.wasm.
    let from = pkg.join(format!("{NAME}_bg.wasm"));
    fs::rename(&from, pkg.join(format!("{NAME}.wasm")))
        .with_context(|| format!("cannot rename {}", from.display()))
}
