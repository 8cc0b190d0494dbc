//! The advisories that are checked in (`xtask/advisories`), as the database that cargo-deny reads.

use crate::lock;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where cargo-deny looks for `RustSec`'s database within `db-path`: the end of its address, and a hash of the whole. If
/// another version of cargo-deny looks elsewhere, it finds nothing there and the check fails.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// An advisory that nobody ever published, of a crate that is surely in use: this program's own.
const MADE_UP: &str = "RUSTSEC-9999-0001";
const CONCERNED: &str = "anyhow";

/// A database, and the rules of `deny.toml` that look into it.
pub(crate) struct Database {
    /// What cargo-deny takes as `--config`.
    pub(crate) config: PathBuf,
    /// How old what is in it is, for people.
    pub(crate) age: String,
    /// Crates of `Cargo.lock` that nobody has looked up: nothing in it would concern them.
    pub(crate) not_looked_up: BTreeSet<String>,
    crates: PathBuf,
}

impl Database {
    /// Makes the directory `place` anew of the advisories in `source` and of the texts of `deny.toml` and `Cargo.lock`.
    pub(crate) fn make(source: &Path, rules: &str, lock: &str, place: &Path) -> Result<Self> {
        if place.exists() {
            fs::remove_dir_all(place)
                .with_context(|| format!("cannot remove {}", place.display()))?;
        }
        let database = place.join(DATABASE);
        // All that cargo-deny wants of git is the time of the last fetch, which must be in the last 90 days.
        write(&database.join(".git/FETCH_HEAD"), "")?;
        let mut newest = String::new();
        let crates = database.join("crates");
        for advisory in read(source)? {
            newest = newest.max(advisory.date.clone());
            write(&crates.join(&advisory.path), &advisory.text)?;
        }
        let head = "[advisories]\n";
        ensure!(
            rules.contains(head),
            "deny.toml has no section [advisories]"
        );
        let ours = format!("{head}db-path = {:?}\n", place.display().to_string());
        let config = place.join("deny.toml");
        write(&config, &rules.replacen(head, &ours, 1))?;
        let LookedUp { day, crates: known } = looked_up(source)?;
        let ours = lock::checksums(lock).into_keys().map(|(name, _)| name);
        let not_looked_up = ours.filter(|name| !known.contains(name)).collect();
        Ok(Self {
            config,
            age: format!(
                "what was known on {day} of the crates that were in Cargo.lock then; the newest entry is of {newest}"
            ),
            not_looked_up,
            crates,
        })
    }

    /// Adds an advisory that concerns every version of a crate of ours, and returns its number: what finds nothing must be
    /// able to find something.
    pub(crate) fn make_something_up(&self) -> Result<&'static str> {
        let text = format!(
            "```toml\n[advisory]\nid = \"{MADE_UP}\"\npackage = \"{CONCERNED}\"\ndate = \"9999-01-01\"\n\n[versions]\npatched = []\n```\n\n# Made up\n"
        );
        write(
            &self.crates.join(CONCERNED).join(format!("{MADE_UP}.md")),
            &text,
        )?;
        Ok(MADE_UP)
    }
}

/// The list of the crates that were looked up.
struct LookedUp {
    /// As `2026-11-28`.
    day: String,
    crates: BTreeSet<String>,
}

fn looked_up(source: &Path) -> Result<LookedUp> {
    let path = source.join("looked-up.txt");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (head, names): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let day = head.last().map(|line| line.trim_matches(['#', ' ']));
    let day = day.filter(|day| day.len() == "2026-11-28".len());
    Ok(LookedUp {
        day: day
            .with_context(|| format!("{}: the last comment is no day", path.display()))?
            .to_owned(),
        crates: names.into_iter().map(str::to_owned).collect(),
    })
}

/// One advisory.
struct Advisory {
    /// Below `crates`: `CRATE/RUSTSEC-….md`.
    path: PathBuf,
    /// As `2026-09-14`.
    date: String,
    text: String,
}

fn read(source: &Path) -> Result<Vec<Advisory>> {
    let crates = source.join("crates");
    let mut found = Vec::new();
    let entries = |directory: &Path| {
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))
    };
    for directory in entries(&crates)? {
        for file in entries(&directory?.path())? {
            let file = file?.path();
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let date = field(&text, "date")
                .with_context(|| format!("{} has no date", file.display()))?
                .to_owned();
            let path = file.strip_prefix(&crates)?.to_owned();
            found.push(Advisory { path, date, text });
        }
    }
    ensure!(!found.is_empty(), "{} is empty", crates.display());
    Ok(found)
}

/// The value of a line such as `date = "2026-09-14"`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
    value.strip_suffix('"')
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "[graph]\n\n[advisories]\nyanked = \"deny\"\n";

    fn source() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("advisories")
    }

    #[test]
    fn every_crate_of_the_lock_file_was_looked_up() {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        let lock = fs::read_to_string(lock).unwrap();
        let missing = not_looked_up(&lock);
        assert!(
            missing.is_empty(),
            "xtask/advisories/README.md says how to look up {missing:?}"
        );
        let new = "[[package]]\nname = \"brand-new\"\nversion = \"1.0.0\"\nchecksum = \"00\"\n";
        assert_eq!(
            not_looked_up(&(lock + new)),
            ["brand-new".to_owned()].into()
        );
    }

    fn not_looked_up(lock: &str) -> BTreeSet<String> {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("advisories");
        let database = Database::make(&source(), RULES, lock, &place);
        database.unwrap().not_looked_up
    }

    #[test]
    fn every_advisory_is_what_its_place_says_and_of_a_crate_that_was_looked_up() {
        let known = looked_up(&source()).unwrap();
        for advisory in read(&source()).unwrap() {
            let (path, text) = (advisory.path.display(), &advisory.text);
            let expected = (field(text, "package").unwrap(), field(text, "id").unwrap());
            assert_eq!(
                path.to_string(),
                format!("{}/{}.md", expected.0, expected.1)
            );
            assert!(known.crates.contains(expected.0), "{path}");
            assert!(advisory.date <= known.day, "{path}");
            assert!(text.starts_with("```toml\n[advisory]\n"), "{path}");
            assert!(text.contains("\n[versions]\npatched = ["), "{path}");
            assert!(text.contains("\n```\n\n# "), "{path}");
            if let Some(kind) = field(text, "informational") {
                assert!(
                    ["unmaintained", "unsound", "notice"].contains(&kind),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn the_database_is_where_the_rules_look_and_older_ones_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("advisories");
        write(&place.join("old"), "").unwrap();
        let database = Database::make(&source(), RULES, "", &place).unwrap();
        let text = fs::read_to_string(&database.config).unwrap();
        let line = format!("[advisories]\ndb-path = \"{}\"\nyanked", place.display());
        assert!(text.contains(&line), "{text}");
        assert!(!place.join("old").exists());
        let of_tokio = place
            .join(DATABASE)
            .join("crates/tokio/RUSTSEC-2025-0023.md");
        assert!(of_tokio.exists());
        database.make_something_up().unwrap();
        let made_up = place
            .join(DATABASE)
            .join("crates/anyhow/RUSTSEC-9999-0001.md");
        assert!(made_up.exists());
        assert!(Database::make(&source(), "[graph]\n", "", &place).is_err());
    }
}
