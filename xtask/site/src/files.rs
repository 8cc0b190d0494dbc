//! The plain files of the site.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Every file under `dir`, sorted by path. A file is listed as itself; what does not exist has none.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries =
                fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for entry in entries {
                open.push(entry?.path());
            }
        } else if path.exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Copies all files under `from` to the same places under `to`.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in list(from)? {
        let target = to.join(file.strip_prefix(from)?);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        write(&target, &bytes)?;
    }
    Ok(())
}

/// The style sheet: all `*.css` of `dir`, in the order of their names, each under a line that names it.
pub(crate) fn concatenate_css(dir: &Path) -> Result<String> {
    let mut sheet = String::new();
    for file in list(dir)? {
        if file.extension().is_some_and(|e| e == "css") {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {} as UTF-8", file.display()))?;
            ensure!(
                !text.contains("@import"),
                "{}: no @import here; all style sheets of this directory are joined, in the order of their names",
                file.display()
            );
            sheet.push_str("/* ");
            sheet.push_str(&file.display().to_string());
            sheet.push_str(" */\n");
            sheet.push_str(&text);
            sheet.push('\n');
        }
    }
    Ok(sheet)
}

/// Writes a file, with the directories above it.
pub(crate) fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_sheets_are_joined_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("20-table.css"), b"table {}").unwrap();
        write(&dir.path().join("10-tokens.css"), b":root {}").unwrap();
        write(&dir.path().join("notes.md"), b"no style").unwrap();
        let sheet = concatenate_css(dir.path()).unwrap();
        assert!(sheet.find(":root").unwrap() < sheet.find("table {}").unwrap());
        assert!(!sheet.contains("no style"));
    }

    #[test]
    fn an_import_is_refused_because_it_would_not_be_found() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.css"), b"@import 'b.css';").unwrap();
        assert!(concatenate_css(dir.path()).is_err());
    }
}
