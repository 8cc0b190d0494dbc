//! What outlives the process.

pub mod audit;
pub mod faults;
pub mod health;
mod lists;
mod open;
pub mod output;
mod past;
mod people;
mod read;
mod retention;
mod row;
mod sqlite;
mod timeline;
mod transaction;
mod write;

#[cfg(test)]
mod contract;

pub use retention::{EndedRun, EndedRuns, Place};
pub use sqlite::Store;

/// Why the store did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database file could not be opened or brought up to date.
    #[error("the database {path} cannot be used: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// The database refused.
    #[error("the database failed: {0}")]
    Database(std::sync::Arc<sqlx::Error>),
    /// A row does not hold what this version writes.
    #[error("the database holds {what} that this version cannot read: {reason}")]
    Corrupt {
        /// Which column or row.
        what: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The store has been closed.
    #[error("the database has been closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(std::sync::Arc::new(error))
    }
}
