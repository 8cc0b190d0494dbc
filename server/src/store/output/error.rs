//! What can go wrong with the output log.

use crate::store::health::{Problem, problem};
use std::path::PathBuf;

/// Why the log could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file could not be opened.
    #[error("cannot open the output log {path}: {source}. Check that its directory exists, is writable and has room", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The file's tables could not be brought to this version.
    #[error("cannot bring the output log {path} to this version: {source}", path = .path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::migrate::MigrateError,
    },
    /// The file, or the disk it is on, is at fault.
    #[error("the output log {path} cannot be used: {reason}", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The output is being deleted, with its run.
    #[error("the run is being deleted because it is old")]
    Deleted,
    /// The database refused.
    #[error("the output log: {0}")]
    Database(#[source] sqlx::Error),
    /// A piece of the file that was needed is damaged.
    #[error(
        "a part of the output log, output.db, is damaged ({0}); what lies elsewhere can be read. Stop the server, keep the file, and put a copy of it in its place"
    )]
    DamagedFile(#[source] sqlx::Error),
    /// A block does not hold what its row says.
    #[error(
        "a part of the output log, output.db, is damaged (the block at offset {offset}: {problem}); what lies elsewhere can be read. Stop the server, keep the file, and put a copy of it in its place"
    )]
    Damaged {
        /// Where.
        offset: u64,
        /// What is wrong.
        problem: String,
    },
    /// The log has been closed because the server is ending.
    #[error("the output log is closed; the server is ending")]
    Closed,
}

impl From<sqlx::Error> for OutputError {
    fn from(error: sqlx::Error) -> Self {
        match problem(&error) {
            Some(Problem::Damaged) => Self::DamagedFile(error),
            _ => Self::Database(error),
        }
    }
}

/// Why a chunk was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The chunk does not continue the log.
    #[error("output continues at {expected}, not at {received}")]
    OutOfOrder {
        /// The offset, or number, that would continue it.
        expected: u64,
        /// The one that came.
        received: u64,
    },
    /// The payload is not what the chunk's header says.
    #[error("{0}")]
    BadPayload(String),
    /// The log itself.
    #[error(transparent)]
    Log(#[from] OutputError),
}
