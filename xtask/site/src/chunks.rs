//! Cuts the linked WASM into the main module, which every page starts with, and the chunks that it loads later.

use crate::{Mode, files, trim};
use anyhow::{Context as _, Result, anyhow};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use walrus::ModuleConfig;
use wasm_split_cli_support::{Options, transform};

/// The script that loads the chunks. The main module's JS imports it.
const LOADER: &str = "chunks.js";

/// What tells the server which files each chunk consists of.
const LIST: &str = "chunks.txt";

/// Writes the chunks of the linked module at `wasm`, their loader and their list into `pkg`. What it returns is the main
/// module, for wasm-bindgen.
///
/// The files of chunks have a name of this build in theirs. A tab that was opened before an update of the server asks
/// for a chunk that is there no more, and never gets one that does not fit what it has.
pub(crate) fn cut(mode: Mode, wasm: &Path, pkg: &Path) -> Result<Vec<u8>> {
    let linked = fs::read(wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let build = build_of(&linked);
    let main = pkg.join("main.wasm");
    let own_js = format!("./{}.js", crate::NAME);
    let link_name = format!("./{LOADER}");
    let mut options = Options::new(&linked);
    options.output_dir = pkg;
    options.main_out_path = &main;
    options.main_module = &own_js;
    options.link_name = &link_name;
    let split = transform(options)
        // Its errors are of another kind.
        .map_err(|error| anyhow!("{error:#}"))
        .with_context(|| format!("cannot cut {} into chunks", wasm.display()))?;

    let loader = pkg.join(LOADER);
    let mut script = fs::read_to_string(&loader)
        .with_context(|| format!("the loader {} was not made", loader.display()))?;
    for file in &split.split_modules {
        finish(mode, file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let named = file_name(&stem, &build);
        fs::rename(file, pkg.join(&named))
            .with_context(|| format!("cannot rename {}", file.display()))?;
        script = script.replace(&format!("\"./{stem}.wasm\""), &format!("\"./{named}\""));
    }
    files::write(&loader, script.as_bytes())?;

    // Sorted, so that the same code makes the same list.
    let chunks: BTreeMap<_, _> = split.prefetch_map.into_iter().collect();
    let mut list = String::new();
    for (name, stems) in chunks {
        list.push_str(&name);
        for stem in stems {
            list.push(' ');
            list.push_str(&file_name(&stem, &build));
        }
        list.push('\n');
    }
    files::write(&pkg.join(LIST), list.as_bytes())?;

    let bytes = fs::read(&main).with_context(|| format!("cannot read {}", main.display()))?;
    fs::remove_file(&main).with_context(|| format!("cannot remove {}", main.display()))?;
    Ok(trim::without_uncalled(&bytes, &ModuleConfig::new())?.emit_wasm())
}

/// Makes a chunk as small as wasm-bindgen makes the main module.
fn finish(mode: Mode, file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut config = ModuleConfig::new();
    config
        .generate_name_section(mode == Mode::Dev)
        .generate_producers_section(mode == Mode::Dev);
    let mut module = trim::without_uncalled(&bytes, &config)?;
    walrus::passes::gc::run(&mut module);
    files::write(file, &module.emit_wasm())
}

fn file_name(stem: &str, build: &str) -> String {
    format!("{stem}.{build}.wasm")
}

/// A name for what was linked. It need not withstand anybody who looks for another module of the same name.
fn build_of(linked: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    linked.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_has_another_name() {
        assert_eq!(build_of(b"a"), build_of(b"a"));
        assert_ne!(build_of(b"a"), build_of(b"b"));
        assert_eq!(file_name("split_config", "0a"), "split_config.0a.wasm");
    }
}
