//! Transactions of the two writers, by statements of our own. sqlx counts the transactions that it has begun; where `SQLite`
//! rolls one back by itself, as it does on a full or failing disk, that count is wrong for good, and nothing is written any
//! more, or is written and never committed.

use sqlx::SqliteConnection;

/// Begins a transaction. Each needs its [`end`].
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let begun = execute(connection, "BEGIN IMMEDIATE").await;
    if begun.is_err() {
        // Should one be open that could not be rolled back, the next attempt is to find it gone.
        roll_back(connection).await;
    }
    begun
}

/// Commits the transaction if what was done in it went well, and else rolls it back. It is over in either case.
pub(super) async fn end<T, E: From<sqlx::Error>>(
    connection: &mut SqliteConnection,
    done: Result<T, E>,
) -> Result<T, E> {
    let ended = match done {
        Ok(done) => match execute(connection, "COMMIT").await {
            Ok(()) => return Ok(done),
            Err(error) => error.into(),
        },
        Err(error) => error,
    };
    roll_back(connection).await;
    Err(ended)
}

async fn roll_back(connection: &mut SqliteConnection) {
    // It fails where there is nothing to roll back, which is what is wanted.
    let _ = execute(connection, "ROLLBACK").await;
}

async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqliteConnectOptions;

    #[tokio::test]
    async fn a_transaction_that_the_database_rolled_back_itself_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.db");
        let options = SqliteConnectOptions::new().filename(&file);
        let mut connection = options.create_if_missing(true).connect().await.unwrap();
        execute(&mut connection, "CREATE TABLE t (x BLOB)")
            .await
            .unwrap();
        let put = async |connection: &mut SqliteConnection, bytes: i64| {
            begin(connection).await?;
            let put = sqlx::query("INSERT INTO t VALUES (zeroblob(?))").bind(bytes);
            let done = put.execute(&mut *connection).await;
            end(connection, done).await
        };
        // As a disk that is full: not one page more.
        execute(&mut connection, "PRAGMA max_page_count = 2")
            .await
            .unwrap();
        for _ in 0..3 {
            let error = put(&mut connection, 1_000_000).await.unwrap_err();
            let sqlx::Error::Database(refused) = &error else {
                panic!("{error}");
            };
            assert_eq!(refused.code().as_deref(), Some("13"), "{error}");
        }
        execute(&mut connection, "PRAGMA max_page_count = 1000000")
            .await
            .unwrap();
        put(&mut connection, 1_000_000).await.unwrap();
        // Committed, and not merely written.
        let mut other = SqliteConnectOptions::new()
            .filename(&file)
            .connect()
            .await
            .unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM t")
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert_eq!(rows, 1);
    }
}
