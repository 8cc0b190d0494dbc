//! `docs/CONFIG.md` is what the tables of keys say.

use std::path::Path;

#[test]
fn the_configuration_reference_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CONFIG.md");
    let expected = saltpeter_domain::config::reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/CONFIG.md is stale; `UPDATE_DOCS=1 cargo test -p saltpeter-domain --test reference` writes it"
    );
}
