//! Makes the site: `xtask-site dev|release WASM OUT CSS`, run in the workspace's root by `cargo xtask site`.
//!
//! The site is what the server embeds: `pkg/saltpeter.{js,wasm,css}`, the chunks of the WASM, all of `public/`, and in
//! release a `.br` and a `.gz` beside each file that gets smaller by it. `CSS` is a second copy of
//! the style sheet, outside of the site, for `cargo leptos watch`, which wants it in one file.

mod bindgen;
mod chunks;
mod compress;
mod files;
mod stamp;
mod trim;

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The base name of the site's code and style; `LEPTOS_OUTPUT_NAME` in `.cargo/config.toml` says the same to Leptos.
const NAME: &str = "saltpeter";

/// Whom the site is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Developers: made fast, nothing compressed, function names kept for stack traces.
    Dev,
    /// Users: made small.
    Release,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [mode, wasm, out, css] = args.as_slice() else {
        bail!("usage: xtask-site dev|release WASM OUT CSS");
    };
    let mode = match mode.as_str() {
        "dev" => Mode::Dev,
        "release" => Mode::Release,
        other => bail!("the mode is dev or release, not {other:?}"),
    };
    let (wasm, out, css) = (Path::new(wasm), PathBuf::from(out), Path::new(css));

    // Two tasks at a time would make one site of two halves. The lock goes with this process.
    let lock =
        fs::File::create(out.with_extension("lock")).context("cannot make the site's lock")?;
    lock.lock().context("cannot lock the site")?;

    let stamp = stamp::Stamp {
        file: out.with_extension("stamp"),
        mode: args[0].clone(),
        inputs: vec![
            wasm.to_owned(),
            "style".into(),
            "public".into(),
            std::env::current_exe()?,
        ],
        outputs: vec![out.clone(), css.to_owned()],
    };
    if stamp.is_fresh() {
        println!("site: unchanged");
        return Ok(());
    }

    make(mode, wasm, &out, css)?;
    report(&out)?;
    stamp.write()
}

fn make(mode: Mode, wasm: &Path, out: &Path, css: &Path) -> Result<()> {
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    let pkg = out.join("pkg");
    fs::create_dir_all(&pkg).with_context(|| format!("cannot make {}", pkg.display()))?;

    files::copy_tree(Path::new("public"), out)?;
    let style = files::concatenate_css(Path::new("style"))?;
    files::write(&pkg.join(format!("{NAME}.css")), style.as_bytes())?;
    files::write(css, style.as_bytes())?;
    let main = chunks::cut(mode, wasm, &pkg)?;
    bindgen::bind(mode, main, &pkg)?;
    if mode == Mode::Release {
        compress::compress_tree(out)?;
    }
    Ok(())
}

/// Prints what weighs how much.
fn report(out: &Path) -> Result<()> {
    for file in files::list(&out.join("pkg"))? {
        let kind = file.extension().and_then(|e| e.to_str());
        let Some("wasm" | "js" | "css") = kind else {
            continue;
        };
        let name = file.file_name().unwrap_or_default().display();
        let raw = kib(size(&file)?);
        match size(&compress::beside(&file, "br")) {
            Ok(small) => println!("site: {name} {raw}, {} brotli", kib(small)),
            Err(_) => println!("site: {name} {raw}"),
        }
    }
    Ok(())
}

fn size(file: &Path) -> Result<u64> {
    let meta = fs::metadata(file).with_context(|| format!("{} was not made", file.display()))?;
    Ok(meta.len())
}

fn kib(bytes: u64) -> String {
    format!("{:.1} KB", bytes as f64 / 1024.0)
}
