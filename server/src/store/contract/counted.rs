//! What triggers have counted, and the same counted anew from the rows.

use super::*;

/// The statements of the migrations that count what is there already.
pub(super) fn fill() -> Vec<&'static str> {
    let migrations = [
        (
            include_str!("../../../migrations/runs/0007_history.sql"),
            "INSERT INTO job_days",
        ),
        (
            include_str!("../../../migrations/runs/0009_machine_days.sql"),
            "INSERT INTO machine_days",
        ),
        (
            include_str!("../../../migrations/runs/0011_kept.sql"),
            "INSERT INTO job_kept",
        ),
    ];
    let mut statements = Vec::new();
    for (migration, begin) in migrations {
        let fill = &migration[migration.find(begin).unwrap()..];
        let fill = &fill[..fill.find("CREATE TRIGGER").unwrap()];
        let filled = fill.split(";\n").map(str::trim);
        statements.extend(filled.filter(|statement| !statement.is_empty()));
    }
    statements
}

/// The counts of machines as text, a line each.
async fn machines(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    lines(connection, "SELECT job || ' ' || machine || ' ' || results || ' ' || failed || ' ' || timed || ' ' || took || ' ' || mean FROM job_machines ORDER BY job, machine").await
}

/// Those of machines by day. They outlast their runs, so that only what is added and corrected is compared.
async fn machine_days(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    lines(connection, "SELECT machine || ' ' || day || ' ' || results || ' ' || failed FROM machine_days WHERE results > 0 ORDER BY machine, day").await
}

/// Those of days.
pub(super) async fn days(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    lines(connection, "SELECT job || ' ' || day || ' ' || succeeded || ' ' || failed || ' ' || other FROM job_days WHERE succeeded + failed + other > 0 ORDER BY job, day").await
}

/// How many ended runs each job has, and how much output.
async fn kept(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    lines(
        connection,
        "SELECT job || ' ' || runs || ' ' || bytes FROM job_kept WHERE runs > 0 ORDER BY job",
    )
    .await
}

async fn lines(connection: &mut sqlx::SqliteConnection, question: &'static str) -> Vec<String> {
    sqlx::query_scalar(question)
        .fetch_all(connection)
        .await
        .unwrap()
}

pub(super) async fn beside(bed: &Bed) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new()
        .filename(bed.directory.path().join("saltpeter.db"))
        .connect()
        .await
        .unwrap()
}

/// All that is counted, as text.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) days: Vec<String>,
    pub(super) machines: Vec<String>,
    pub(super) machine_days: Vec<String>,
    pub(super) kept: Vec<String>,
}

impl Counted {
    async fn read(connection: &mut sqlx::SqliteConnection) -> Self {
        Self {
            days: days(connection).await,
            machines: machines(connection).await,
            machine_days: machine_days(connection).await,
            kept: kept(connection).await,
        }
    }
}

/// Counts all rows from the beginning, and returns what was counted before and what is counted now.
pub(super) async fn counted_anew(bed: &Bed) -> [Counted; 2] {
    let mut connection = beside(bed).await;
    let mut transaction = connection.begin().await.unwrap();
    let before = Counted::read(&mut transaction).await;
    for table in [
        "job_days",
        "job_machines",
        "job_successes",
        "machine_days",
        "job_kept",
    ] {
        let statement = AssertSqlSafe(format!("DELETE FROM {table}"));
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    for statement in fill() {
        sqlx::query(statement)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    let now = Counted::read(&mut transaction).await;
    transaction.rollback().await.unwrap();
    [before, now]
}
