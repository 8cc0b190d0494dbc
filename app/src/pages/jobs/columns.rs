//! The columns of the job table, and which of them a browser has chosen.

use crate::browser;

const STORED_AS: &str = "saltpeter.columns";

/// A column besides name and actions, which are always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its key: in the address, in what the browser keeps, in the style sheet.
    pub(crate) key: &'static str,
    /// Its head.
    pub(crate) title: &'static str,
    /// Whether it is a key of the job as written in its file.
    pub(crate) from_config: bool,
}

const fn own(key: &'static str, title: &'static str) -> Column {
    Column {
        key,
        title,
        from_config: false,
    }
}

const fn config(key: &'static str) -> Column {
    Column {
        key,
        title: key,
        from_config: true,
    }
}

/// Every column there is, in the order in which they stand.
pub(crate) const COLUMNS: [Column; 35] = [
    own("group", "Group"),
    own("schedule", "Schedule"),
    own("next", "Next"),
    own("last", "Last"),
    own("running", "Running on"),
    own("recent", "Last 30"),
    config("command"),
    config("targets"),
    config("target_type"),
    config("number_of_targets"),
    config("batch_size"),
    config("timeout"),
    config("hard_timeout"),
    config("soft_timeout"),
    config("overlap"),
    config("allow_overlap"),
    config("cwd"),
    config("user"),
    config("env"),
    config("timezone"),
    config("utc"),
    config("sec"),
    config("min"),
    config("hour"),
    config("dom"),
    config("mon"),
    config("dow"),
    config("year"),
    config("use_wrapper"),
    config("wrapper_path"),
    config("wrapper_protocol"),
    config("wrapper_loglevel"),
    config("wrapper_logdir"),
    config("lockfile"),
    config("saltpeter_server_host"),
];

/// The columns of somebody who has not chosen.
pub(crate) fn default_columns() -> Vec<Column> {
    COLUMNS.into_iter().filter(|c| !c.from_config).collect()
}

/// The columns that this browser keeps.
pub(crate) fn stored_columns() -> Option<Vec<Column>> {
    let kept = browser::stored(STORED_AS)?;
    let keys: Vec<&str> = kept.split(',').collect();
    Some(
        COLUMNS
            .into_iter()
            .filter(|column| keys.contains(&column.key))
            .collect(),
    )
}

/// Keeps the columns in this browser.
pub(crate) fn store_columns(columns: &[Column]) {
    let keys: Vec<&str> = columns.iter().map(|column| column.key).collect();
    browser::store(STORED_AS, &keys.join(","));
}
