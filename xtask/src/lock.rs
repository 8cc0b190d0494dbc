//! What `Cargo.lock` says of the packages of crates.io.

use std::collections::BTreeMap;

/// A package and a version.
pub(crate) type Exact = (String, String);

/// The SHA-256 of each package as crates.io has it. Our own packages have none.
pub(crate) fn checksums(lock: &str) -> BTreeMap<Exact, String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let start = format!("{key} = \"");
            let line = package.lines().find_map(|line| line.strip_prefix(&start))?;
            Some(line.trim_end_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}
