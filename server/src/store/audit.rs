//! The audit trail: rows are added, read, and go by their age.

use super::write::Order;
use super::{Store, StoreError, row};
use saltpeter_domain::audit::{Entry, Kind};
use saltpeter_protocol::UnixMillis;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

/// Entries that one step deletes.
const AT_ONCE: i64 = 1000;

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const ADD: &str = "INSERT INTO audit (at, who, address, kind, deed, old_value, new_value) VALUES (?, ?, ?, ?, ?, ?, ?)";
    pub(in super::super) const FORGET_BEFORE: &str = "UPDATE audit_kept SET since = MAX(since, ?)";
    pub(in super::super) const DELETE: &str =
        "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ? ORDER BY at LIMIT ?)";
    pub(in super::super) const READ: &str =
        "SELECT seq, at, who, address, kind, deed, old_value, new_value FROM audit WHERE seq ";
}

/// Which entries are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Of this person or program alone.
    pub who: Option<String>,
    /// Of this kind alone.
    pub kind: Option<Kind>,
    /// From this time on.
    pub since: Option<UnixMillis>,
    /// Before this time.
    pub until: Option<UnixMillis>,
}

/// Where to read, by the entries' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Those before this one, the newest first.
    Before(i64),
    /// Those after this one, the oldest first.
    After(i64),
}

impl Place {
    /// The newest entries.
    pub const NEWEST: Self = Self::Before(i64::MAX);
    /// The oldest.
    pub const OLDEST: Self = Self::After(0);
}

/// An entry and its number. Numbers grow, and none is used twice.
pub type Numbered = (i64, Entry);

impl Store {
    /// Adds an entry. Durable when this returns.
    pub async fn add_audit(&self, entry: Entry) -> Result<(), StoreError> {
        self.order(|done| Order::Audit(Box::new(entry), done)).await
    }

    /// Up to `limit` entries.
    pub async fn audit(
        &self,
        wanted: &Wanted,
        place: Place,
        limit: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        let rows = question(wanted, place, limit)
            .build()
            .persistent(false)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(entry).collect()
    }

    /// Deletes what is older than `before`, in steps that let others write in between. Says how much that was.
    pub async fn forget_audit(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let mut gone = 0;
        loop {
            let step = self.order(|done| Order::ForgetAudit(before, done)).await?;
            gone += step;
            if step < AT_ONCE.unsigned_abs() {
                return Ok(gone);
            }
        }
    }
}

pub(super) fn question(wanted: &Wanted, place: Place, limit: u32) -> QueryBuilder<Sqlite> {
    let mut question = QueryBuilder::new(query::READ);
    match place {
        Place::Before(seq) => question.push("< ").push_bind(seq),
        Place::After(seq) => question.push("> ").push_bind(seq),
    };
    if let Some(who) = &wanted.who {
        question.push(" AND who = ").push_bind(who.clone());
    }
    if let Some(kind) = wanted.kind {
        question.push(" AND kind = ").push_bind(kind.as_str());
    }
    if let Some(since) = wanted.since {
        question.push(" AND at >= ").push_bind(since.0);
    }
    if let Some(until) = wanted.until {
        question.push(" AND at < ").push_bind(until.0);
    }
    question.push(match place {
        Place::Before(_) => " ORDER BY seq DESC LIMIT ",
        Place::After(_) => " ORDER BY seq LIMIT ",
    });
    question.push_bind(i64::from(limit));
    question
}

fn entry(found: &sqlx::sqlite::SqliteRow) -> Result<Numbered, StoreError> {
    let kind: String = found.try_get(4)?;
    let entry = Entry {
        at: UnixMillis(found.try_get(1)?),
        who: found.try_get(2)?,
        from: found.try_get(3)?,
        kind: Kind::parse(&kind).ok_or_else(|| row::corrupt("a kind of audit entry", &kind))?,
        deed: found.try_get(5)?,
        old: found.try_get(6)?,
        new: found.try_get(7)?,
    };
    Ok((found.try_get(0)?, entry))
}

pub(super) async fn add(
    connection: &mut SqliteConnection,
    entry: &Entry,
) -> Result<(), StoreError> {
    sqlx::query(query::ADD)
        .bind(entry.at.0)
        .bind(&entry.who)
        .bind(&entry.from)
        .bind(entry.kind.as_str())
        .bind(&entry.deed)
        .bind(&entry.old)
        .bind(&entry.new)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes some of what is older than `before`; says how many entries.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    before: UnixMillis,
) -> Result<u64, StoreError> {
    // The trigger goes by this.
    sqlx::query(query::FORGET_BEFORE)
        .bind(before.0)
        .execute(&mut *connection)
        .await?;
    let gone = sqlx::query(query::DELETE)
        .bind(before.0)
        .bind(AT_ONCE)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected())
}
