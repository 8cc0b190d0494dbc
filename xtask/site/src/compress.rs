//! The compressed copies beside the files, made once here so that the server never compresses.

use crate::files;
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Kinds of files that get smaller.
const COMPRESSIBLE: [&str; 7] = ["wasm", "js", "css", "svg", "html", "txt", "json"];

/// Brotli's best, with the largest window that browsers take.
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 24;

/// Puts a `.br` and a `.gz` beside every file under `dir` that is smaller for it.
pub(crate) fn compress_tree(dir: &Path) -> Result<()> {
    for file in files::list(dir)? {
        let extension = file
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if !COMPRESSIBLE.contains(&extension) {
            continue;
        }
        let raw = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for (suffix, small) in [("br", brotli(&raw)?), ("gz", gzip(&raw)?)] {
            if small.len() < raw.len() {
                files::write(&beside(&file, suffix), &small)?;
            }
        }
    }
    Ok(())
}

/// `file` with `.suffix` put behind its whole name.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn brotli(raw: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer =
        brotli::CompressorWriter::new(&mut out, 64 * 1024, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
    writer.write_all(raw)?;
    drop(writer);
    Ok(out)
}

fn gzip(raw: &[u8]) -> Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(raw)?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn copies_read_back_as_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.css");
        let raw = "body { color: red }\n".repeat(200);
        fs::write(&file, &raw).unwrap();
        fs::write(dir.path().join("tiny.txt"), "x").unwrap();
        compress_tree(dir.path()).unwrap();

        let mut back = String::new();
        brotli::Decompressor::new(fs::File::open(beside(&file, "br")).unwrap(), 4096)
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, raw);
        back.clear();
        flate2::read::GzDecoder::new(fs::File::open(beside(&file, "gz")).unwrap())
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, raw);
        assert!(
            !dir.path().join("tiny.txt.br").exists(),
            "a larger copy helps nobody"
        );
    }
}
