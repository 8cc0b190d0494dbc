//! Many rows to a statement.

use sqlx::SqliteConnection;
use sqlx::sqlite::{Sqlite, SqliteArguments};

/// A statement whose columns are being bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Rows of the largest statement, as a power of two.
const LARGEST: u32 = 8;

/// An `INSERT` in statements of 1, 2, 4 … rows: any number of rows takes few of them, and the database keeps each prepared.
pub(super) struct Insert {
    /// By the logarithm of their rows.
    statements: Vec<String>,
}

impl Insert {
    /// `head` is the statement up to `VALUES`, `columns` how many it names.
    pub(super) fn new(head: &'static str, columns: usize) -> Self {
        let statement = |power: u32| {
            let row = format!("({})", vec!["?"; columns].join(", "));
            // Not `$1`, `$2` …: SQLite looks a parameter's name up in a list of all, for each.
            format!("{head} VALUES {}", vec![row; 1 << power].join(", "))
        };
        Self {
            statements: (0..=LARGEST).map(statement).collect(),
        }
    }

    /// Inserts `rows`; `bind` binds the columns of one.
    pub(super) async fn rows<R>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<R>,
        bind: impl for<'q> Fn(Query<'q>, R) -> Query<'q>,
    ) -> Result<(), sqlx::Error> {
        let mut rows = rows.into_iter();
        while let Some(power) = rows.len().checked_ilog2() {
            let power = power.min(LARGEST);
            // Made of constants.
            let statement = sqlx::AssertSqlSafe(self.statements[power as usize].as_str());
            let some = rows.by_ref().take(1 << power);
            let query = some.fold(sqlx::query(statement), &bind);
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}
