//! The audit trail: rows are added, read, and go by their age.

use super::write::Order;
use super::{Store, StoreError, row};
use futures::TryStreamExt as _;
use saltpeter_domain::Maintenance;
use saltpeter_domain::audit::{Entry, Kind};
use saltpeter_domain::maintenance::past::Change;
use saltpeter_protocol::UnixMillis;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

/// Entries that one step deletes.
const AT_ONCE: i64 = 1000;
/// The longest maintenance that is kept for the timeline, in bytes of JSON: some ten thousand machines. What is longer is told
/// in words alone.
const LONGEST_MAINTENANCE: usize = 256 * 1024;
/// Changes of maintenance that are read at a time, and bytes of them; of more, the newest.
const MAX_CHANGES: i64 = 2000;
const MAX_CHANGES_BYTES: usize = 4 * 1024 * 1024;

/// Every question, named; the tests have the database explain each.
pub(super) mod query {
    pub(in super::super) const ADD: &str = "INSERT INTO audit (at, who, address, kind, deed, old_value, new_value, maintenance) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    pub(in super::super) const FORGET_BEFORE: &str = "UPDATE audit_kept SET since = MAX(since, ?)";
    pub(in super::super) const DELETE: &str =
        "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ? ORDER BY at LIMIT ?)";
    pub(in super::super) const READ: &str =
        "SELECT seq, at, who, address, kind, deed, old_value, new_value FROM audit WHERE seq ";
    pub(in super::super) const MAINTENANCE: &str = "SELECT at, kind, who, maintenance FROM audit \
         WHERE maintenance IS NOT NULL ORDER BY at DESC, seq DESC LIMIT ?";
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

/// An entry to add.
#[derive(Debug)]
pub(super) struct Added {
    entry: Entry,
    /// What maintenance became, where the entry tells of that.
    maintenance: Option<String>,
}

/// An entry and its number. Numbers grow, and none is used twice.
pub type Numbered = (i64, Entry);

impl Store {
    /// Adds an entry; `became` is what maintenance is from then on, where the entry tells of that. Durable when this returns.
    pub async fn add_audit(
        &self,
        entry: Entry,
        became: Option<&Maintenance>,
    ) -> Result<(), StoreError> {
        let maintenance = row::to_json_if(became)?;
        let added = Added {
            entry,
            maintenance: maintenance.filter(|text| text.len() <= LONGEST_MAINTENANCE),
        };
        self.order(|done| Order::Audit(Box::new(added), done)).await
    }

    /// What maintenance became, the oldest first: as far back as it has to do with what was under maintenance at `from` or
    /// later.
    pub async fn maintenance_since(&self, from: UnixMillis) -> Result<Vec<Change>, StoreError> {
        let mut rows = sqlx::query(query::MAINTENANCE)
            .bind(MAX_CHANGES)
            .fetch(&self.readers);
        let mut changes = Vec::new();
        let mut bytes = 0;
        while let Some(found) = rows.try_next().await? {
            let text: &str = found.try_get(3)?;
            bytes += text.len();
            if bytes > MAX_CHANGES_BYTES {
                break;
            }
            let change = change(&found)?;
            // All that was before this had ended by then.
            let is_enough = change.at <= from && change.became.is_nothing(from);
            changes.push(change);
            if is_enough {
                break;
            }
        }
        changes.reverse();
        Ok(changes)
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

fn change(found: &sqlx::sqlite::SqliteRow) -> Result<Change, StoreError> {
    let became: Maintenance = row::from_json("maintenance", found.try_get(3)?)?;
    let kind: &str = found.try_get(1)?;
    // Whoever found it in the files did not put it there, and the files may say who did.
    let by = if kind == Kind::Change.as_str() {
        Some(found.try_get(2)?)
    } else {
        became.by.clone()
    };
    Ok(Change {
        at: UnixMillis(found.try_get(0)?),
        by,
        became,
    })
}

pub(super) async fn add(
    connection: &mut SqliteConnection,
    Added { entry, maintenance }: &Added,
) -> Result<(), StoreError> {
    sqlx::query(query::ADD)
        .bind(entry.at.0)
        .bind(&entry.who)
        .bind(&entry.from)
        .bind(entry.kind.as_str())
        .bind(&entry.deed)
        .bind(&entry.old)
        .bind(&entry.new)
        .bind(maintenance)
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
