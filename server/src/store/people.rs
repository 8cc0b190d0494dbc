//! People, their sessions, and programs' tokens.

use super::row::{corrupt, to_json};
use super::write::Order;
use super::{Store, StoreError};
use crate::people::{
    Identity, KeyHash, MAX_SESSIONS, MAX_TOKENS, MAX_USERS, PeopleStore, PeopleWrite, Session,
    Token, User,
};
use futures::future::BoxFuture;
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Access, Groups, Role, UserName};
use saltpeter_protocol::UnixMillis;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use std::collections::BTreeSet;

/// A user's columns; with those of a session they are columns 6 to 13.
const USER: &str = "name, role, job_groups, password, users.created, created_by, issuer, subject";
const SESSION: &str = "seq, user_name, sessions.created, seen, address, agent";
const TOKEN: &str = "name, role, job_groups, created, created_by, expires, seen";

mod query {
    use super::{SESSION, TOKEN, USER};

    pub(super) fn user() -> String {
        format!("SELECT {USER} FROM users WHERE name = ?")
    }
    pub(super) fn user_of() -> String {
        format!("SELECT {USER} FROM users WHERE issuer = ? AND subject = ?")
    }
    pub(super) fn users() -> String {
        format!("SELECT {USER} FROM users ORDER BY name")
    }
    pub(super) fn session() -> String {
        format!(
            "SELECT {SESSION}, {USER} FROM sessions JOIN users ON name = user_name WHERE key_hash = ?"
        )
    }
    pub(super) fn sessions() -> String {
        format!("SELECT {SESSION} FROM sessions WHERE user_name = ? ORDER BY seq DESC")
    }
    pub(super) fn token() -> String {
        format!("SELECT {TOKEN} FROM tokens WHERE key_hash = ?")
    }
    pub(super) fn tokens() -> String {
        format!("SELECT {TOKEN} FROM tokens ORDER BY name")
    }
}

/// Carries out a change; how many rows it changed.
pub(super) async fn carry_out(
    connection: &mut SqliteConnection,
    write: &PeopleWrite,
) -> Result<u64, StoreError> {
    let query = match write {
        PeopleWrite::AddUser(user) => return add_user(connection, user, MAX_USERS).await,
        PeopleWrite::AddFirstUser(user) => return add_user(connection, user, 1).await,
        PeopleWrite::RemoveUser(name) => sqlx::query(
            "DELETE FROM users WHERE name = ? AND (role <> 'admin' OR (SELECT count(*) FROM users WHERE role = 'admin') > 1)",
        )
        .bind(name.as_str()),
        PeopleWrite::SetPassword {
            user,
            password,
            but,
        } => {
            end_sessions(connection, user, *but).await?;
            sqlx::query("UPDATE users SET password = ? WHERE name = ?")
                .bind(password.expose())
                .bind(user.as_str())
        }
        PeopleWrite::SetAccess(name, access) => sqlx::query(
            "UPDATE users SET role = ?, job_groups = ? WHERE name = ? \
             AND (role <> 'admin' OR ? = 'admin' OR (SELECT count(*) FROM users WHERE role = 'admin') > 1)",
        )
        .bind(access.role.as_str())
        .bind(groups_json(&access.groups)?)
        .bind(name.as_str())
        .bind(access.role.as_str()),
        PeopleWrite::SetProvided(identity, access) => {
            sqlx::query("UPDATE users SET role = ?, job_groups = ? WHERE issuer = ? AND subject = ?")
                .bind(access.role.as_str())
                .bind(groups_json(&access.groups)?)
                .bind(identity.issuer.as_str())
                .bind(identity.subject.as_str())
        }
        PeopleWrite::AddSession {
            key,
            session,
            created_before,
            seen_before,
        } => {
            sqlx::query("DELETE FROM sessions WHERE created < ? OR seen < ?")
                .bind(created_before.0)
                .bind(seen_before.0)
                .execute(&mut *connection)
                .await?;
            return add_session(connection, key, session).await;
        }
        PeopleWrite::TouchSession(seq, at) => {
            sqlx::query("UPDATE sessions SET seen = ? WHERE seq = ?")
                .bind(at.0)
                .bind(*seq)
        }
        PeopleWrite::EndSession(user, seq) => {
            sqlx::query("DELETE FROM sessions WHERE user_name = ? AND seq = ?")
                .bind(user.as_str())
                .bind(*seq)
        }
        PeopleWrite::EndSessions(user) => return end_sessions(connection, user, None).await,
        PeopleWrite::AddToken(key, token) => return add_token(connection, key, token).await,
        PeopleWrite::TouchToken(name, at) => {
            sqlx::query("UPDATE tokens SET seen = ? WHERE name = ?")
                .bind(at.0)
                .bind(name.as_str())
        }
        PeopleWrite::RemoveToken(name) => {
            sqlx::query("DELETE FROM tokens WHERE name = ?").bind(name.as_str())
        }
    };
    Ok(query.execute(connection).await?.rows_affected())
}

/// Adds a user, where there are fewer than `bound`.
async fn add_user(
    connection: &mut SqliteConnection,
    user: &User,
    bound: u32,
) -> Result<u64, StoreError> {
    let insert = "INSERT INTO users (name, role, job_groups, password, created, created_by, issuer, subject) \
         SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM users) < ? ON CONFLICT DO NOTHING";
    let identity = user.identity.as_ref();
    let done = sqlx::query(insert)
        .bind(user.name.as_str())
        .bind(user.access.role.as_str())
        .bind(groups_json(&user.access.groups)?)
        .bind(user.password.as_ref().map(Secret::expose))
        .bind(user.created.0)
        .bind(user.created_by.as_str())
        .bind(identity.map(|identity| identity.issuer.as_str()))
        .bind(identity.map(|identity| identity.subject.as_str()))
        .bind(bound)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

async fn add_session(
    connection: &mut SqliteConnection,
    key: &KeyHash,
    session: &Session,
) -> Result<u64, StoreError> {
    // The account may have gone since the password was looked at.
    let done = sqlx::query(
        "INSERT INTO sessions (key_hash, user_name, created, seen, address, agent) \
         SELECT ?, name, ?, ?, ?, ? FROM users WHERE name = ?",
    )
    .bind(key.as_str())
    .bind(session.created.0)
    .bind(session.seen.0)
    .bind(session.from.as_str())
    .bind(session.agent.as_str())
    .bind(session.user.as_str())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM sessions WHERE user_name = ? AND seq NOT IN \
         (SELECT seq FROM sessions WHERE user_name = ? ORDER BY seq DESC LIMIT ?)",
    )
    .bind(session.user.as_str())
    .bind(session.user.as_str())
    .bind(MAX_SESSIONS)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn end_sessions(
    connection: &mut SqliteConnection,
    user: &UserName,
    but: Option<i64>,
) -> Result<u64, StoreError> {
    // Numbers begin at 1.
    let done = sqlx::query("DELETE FROM sessions WHERE user_name = ? AND seq <> ?")
        .bind(user.as_str())
        .bind(but.unwrap_or(0))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

async fn add_token(
    connection: &mut SqliteConnection,
    key: &KeyHash,
    token: &Token,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO tokens (name, key_hash, role, job_groups, created, created_by, expires) \
         SELECT ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM tokens) < ? ON CONFLICT (name) DO NOTHING",
    )
    .bind(token.name.as_str())
    .bind(key.as_str())
    .bind(token.access.role.as_str())
    .bind(groups_json(&token.access.groups)?)
    .bind(token.created.0)
    .bind(token.created_by.as_str())
    .bind(token.expires.0)
    .bind(MAX_TOKENS)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

fn groups_json(groups: &Groups) -> Result<Option<String>, StoreError> {
    match groups {
        Groups::All => Ok(None),
        Groups::Only(names) => to_json(names).map(Some),
    }
}

/// The role and the groups in two columns, the first of which is `at`.
fn access(row: &SqliteRow, at: usize) -> Result<Access, StoreError> {
    let role: Role = row
        .try_get::<String, _>(at)?
        .parse()
        .map_err(|e| corrupt("a role", &e))?;
    let groups = match row.try_get::<Option<String>, _>(at + 1)? {
        None => Groups::All,
        Some(json) => {
            let names: BTreeSet<String> =
                serde_json::from_str(&json).map_err(|e| corrupt("a list of groups", &e))?;
            Groups::Only(names)
        }
    };
    Ok(Access { role, groups })
}

fn name(row: &SqliteRow, at: usize) -> Result<UserName, StoreError> {
    row.try_get::<String, _>(at)?
        .parse()
        .map_err(|e| corrupt("a user's name", &e))
}

fn user(row: &SqliteRow, at: usize) -> Result<User, StoreError> {
    let password: Option<String> = row.try_get(at + 3)?;
    let issuer: Option<String> = row.try_get(at + 6)?;
    let subject: Option<String> = row.try_get(at + 7)?;
    let identity = issuer.zip(subject);
    Ok(User {
        name: name(row, at)?,
        access: access(row, at + 1)?,
        password: password.map(Secret::new),
        identity: identity.map(|(issuer, subject)| Identity { issuer, subject }),
        created: UnixMillis(row.try_get(at + 4)?),
        created_by: row.try_get(at + 5)?,
    })
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    Ok(Session {
        seq: row.try_get(0)?,
        user: name(row, 1)?,
        created: UnixMillis(row.try_get(2)?),
        seen: UnixMillis(row.try_get(3)?),
        from: row.try_get(4)?,
        agent: row.try_get(5)?,
    })
}

fn token(row: &SqliteRow) -> Result<Token, StoreError> {
    Ok(Token {
        name: row.try_get(0)?,
        access: access(row, 1)?,
        created: UnixMillis(row.try_get(3)?),
        created_by: row.try_get(4)?,
        expires: UnixMillis(row.try_get(5)?),
        seen: row.try_get::<Option<i64>, _>(6)?.map(UnixMillis),
    })
}

impl PeopleStore for Store {
    fn change(&self, write: PeopleWrite) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.order(|done| Order::People(Box::new(write), done)))
    }

    fn has_users(&self) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async {
            let found = sqlx::query("SELECT 1 FROM users LIMIT 1")
                .fetch_optional(&self.readers)
                .await?;
            Ok(found.is_some())
        })
    }

    fn user<'a>(&'a self, name: &'a UserName) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        Box::pin(async {
            let found = sqlx::query(AssertSqlSafe(query::user()))
                .bind(name.as_str())
                .fetch_optional(&self.readers)
                .await?;
            found.map(|row| user(&row, 0)).transpose()
        })
    }

    fn user_of<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        Box::pin(async {
            let found = sqlx::query(AssertSqlSafe(query::user_of()))
                .bind(identity.issuer.as_str())
                .bind(identity.subject.as_str())
                .fetch_optional(&self.readers)
                .await?;
            found.map(|row| user(&row, 0)).transpose()
        })
    }

    fn users(&self) -> BoxFuture<'_, Result<Vec<User>, StoreError>> {
        Box::pin(async {
            let rows = sqlx::query(AssertSqlSafe(query::users()))
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(|row| user(row, 0)).collect()
        })
    }

    fn session<'a>(
        &'a self,
        key: &'a KeyHash,
    ) -> BoxFuture<'a, Result<Option<(Session, User)>, StoreError>> {
        Box::pin(async {
            let found = sqlx::query(AssertSqlSafe(query::session()))
                .bind(key.as_str())
                .fetch_optional(&self.readers)
                .await?;
            found
                .map(|row| Ok((session(&row)?, user(&row, 6)?)))
                .transpose()
        })
    }

    fn sessions<'a>(
        &'a self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Vec<Session>, StoreError>> {
        Box::pin(async {
            let rows = sqlx::query(AssertSqlSafe(query::sessions()))
                .bind(user.as_str())
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(session).collect()
        })
    }

    fn token<'a>(&'a self, key: &'a KeyHash) -> BoxFuture<'a, Result<Option<Token>, StoreError>> {
        Box::pin(async {
            let found = sqlx::query(AssertSqlSafe(query::token()))
                .bind(key.as_str())
                .fetch_optional(&self.readers)
                .await?;
            found.map(|row| token(&row)).transpose()
        })
    }

    fn tokens(&self) -> BoxFuture<'_, Result<Vec<Token>, StoreError>> {
        Box::pin(async {
            let rows = sqlx::query(AssertSqlSafe(query::tokens()))
                .fetch_all(&self.readers)
                .await?;
            rows.iter().map(token).collect()
        })
    }
}
