//! Opening database files: how, which of them can be used, and what to do about those that cannot.

use super::health::{Problem, problem};
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;
use std::time::Duration;

/// Connections that read a file. They take turns; whoever writes has one of its own.
const READERS: u32 = 4;

/// How long it is waited for another connection, or another process, that holds the file.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Files up to this many bytes are checked from end to end when they are opened; it takes a fraction of a second.
/// In larger ones damage shows when it is met.
const CHECKED_UP_TO: u64 = 64 * 1024 * 1024;

/// How the file `path` is written: what is committed is on disk, and what is deleted can be given back. It is made if there is
/// none.
pub(super) fn to_write(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

fn to_read(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

/// Connections that read the file `path`.
pub(super) async fn readers(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        // They are connections to a file: asking whether one is still there costs as much as reading.
        .test_before_acquire(false)
        .connect_with(to_read(path))
        .await
}

/// What is wrong with the file `path`, and what to do; `None` when the error is about something else.
pub(super) fn advice(error: &sqlx::Error, path: &Path) -> Option<String> {
    let (file, dir) = (path.display(), path.parent().unwrap_or(path).display());
    Some(match problem(error)? {
        Problem::Damaged => damaged(path, &error.to_string()),
        Problem::ReadOnly => format!(
            "it cannot be written ({error}). Let this user write {file} and its directory, and see that the disk is not mounted read-only"
        ),
        Problem::Full => format!("the disk of {dir} is full ({error}). Make room there"),
        Problem::Slow | Problem::Failing(_) => {
            format!(
                "{error}. See that {dir} exists, that this user may write there, that it has room, and that it is not mounted read-only"
            )
        }
    })
}

/// What to do about a damaged file.
pub(super) fn damaged(path: &Path, how: &str) -> String {
    let file = path.display();
    format!(
        "it is damaged or no database ({how}). It is left as it is. Put a copy of it in its place, or move it and {file}-wal away to begin anew without what is in it"
    )
}

/// The database's own error in one of the migration.
pub(super) fn of_migration(error: &MigrateError) -> Option<&sqlx::Error> {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Some(error),
        _ => None,
    }
}

/// Looks for damage, if there is a file and it is not too large for that; says what there is. Writes nothing.
pub(super) async fn check(path: &Path) -> Result<Option<String>, sqlx::Error> {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    if bytes == 0 || bytes > CHECKED_UP_TO {
        return Ok(None);
    }
    let mut connection = to_read(path).connect().await?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok((found != "ok").then(|| found.replace('\n', " ")))
}
