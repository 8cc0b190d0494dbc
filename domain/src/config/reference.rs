//! The reference of all keys, `docs/CONFIG.md`.

use super::keys::{
    Effect, KeyInfo, MAINTENANCE, SETTINGS, job_keys, maintenance_keys, settings_keys,
};
use super::loader::MAX_FILE_BYTES;
use std::fmt::Write as _;

/// The text of `docs/CONFIG.md`, made from the tables that the reading of files goes by.
pub fn reference() -> String {
    let mut text = format!(
        "\
# Configuration

<!-- Made from domain/src/config/keys. `UPDATE_DOCS=1 cargo test -p saltpeter-domain --test reference` writes it. -->

Saltpeter reads every `*.yaml` and `*.yml` file of one directory (`/etc/saltpeter`, or `-c DIR`). Each is a mapping. The keys
`{SETTINGS}` and `{MAINTENANCE}` are special wherever they stand; every other key is a job, and its group is the file's
name without the extension.

- Files are read in the order of their names. Of the special keys the later file wins, key by key. A job that two files
  define is an error on the second.
- Changes are noticed without a restart. A file with an error keeps its last good version in force as a whole, and all other
  files go on. A file that has had no good version since the start contributes its valid jobs.
- A job's name has 1 to 128 letters, digits, `_`, `-` and `.`, and begins with a letter, a digit or `_`.
- A key without a value is as good as absent. An unknown key is a warning. A double key is an error. Anchors,
  aliases and merge keys (`&name`, `*name`, `<<`) work within a file; a top-level key that begins with `.` is no job, and is
  there to be referred to. The dashboard does not edit maintenance in a file that has any of them. A file may have {} MiB.
- `saltpeter check` prints every problem with file, line and column.

```yaml
backup_db:
  schedule: '30 2 * * *'
  timezone: Europe/Berlin
  command: /usr/local/bin/backup
  targets: 'db*'
  timeout: 7200
```

## Jobs

",
        MAX_FILE_BYTES / (1024 * 1024)
    );
    text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    for key in job_keys() {
        let KeyInfo {
            name,
            kind,
            default,
            meaning,
            ..
        } = key;
        text.push_str(&row(&[
            &format!("`{name}`"),
            kind,
            or_dash(default),
            meaning,
        ]));
    }
    text.push_str(
        "
A job has either `schedule` or the fields `min`, `hour`, `dom`, `mon`, `dow` with `sec` and `year` if wished. A field is `*`, a number, a
name, a range (`1-5`), a list (`1,15`) or a step (`*/10`, `8-18/2`). A change of a job holds for the runs that start after it.

### When clocks change

A job at a fixed time that falls into the gap of a spring change runs at the first moment after the gap. One whose time occurs twice in autumn
runs once, at the first. A job with `*` in `sec`, `min` or `hour` follows elapsed time: it runs at every moment whose wall clock matches.

## `saltpeter_config`

",
    );
    text.push_str("| key | type | default | takes effect | meaning |\n|---|---|---|---|---|\n");
    for key in settings_keys() {
        text.push_str(&row(&[
            &format!("`{}`", key.name),
            key.kind,
            or_dash(key.default),
            key.effect.as_str(),
            key.meaning,
        ]));
    }
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "
A change of a setting that takes effect at a {} is reported as \"needs a restart\" until then.

## `saltpeter_maintenance`

All of it takes effect {}.

| key | type | default | meaning |
|---|---|---|---|
",
        Effect::Restart.as_str(),
        Effect::AtOnce.as_str()
    );
    for key in maintenance_keys() {
        text.push_str(&row(&[
            &format!("`{}`", key.name),
            key.kind,
            or_dash(key.default),
            key.meaning,
        ]));
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
