//! API tokens: what programs have in place of a password.

use super::audit::What;
use super::key::{KeyHash, new_key};
use super::{Caller, MAX_TOKENS, People, PeopleError, PeopleWrite, Token};
use saltpeter_domain::Secret;
use saltpeter_domain::access::{Access, Deed};
use std::time::Duration;

/// What every token begins with, so that those who search for leaked secrets know one when they see it.
const PREFIX: &str = "saltpeter_";
/// The longest name of a token, in bytes.
const LONGEST_NAME: usize = 64;
/// Days for which a token is good unless something else is asked for.
pub const DEFAULT_DAYS: u32 = 90;
/// The most days.
pub const LONGEST_DAYS: u32 = 3650;

const DAY: Duration = Duration::from_hours(24);

/// A token that is wanted.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its name, unique: what uses it.
    pub name: String,
    /// What it allows.
    pub access: Access,
    /// For how many days, 1 to [`LONGEST_DAYS`].
    pub days: u32,
}

impl People {
    /// All tokens, by name. For admins.
    pub async fn tokens(&self, caller: &Caller) -> Result<Vec<Token>, PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        Ok(self.inner.store.tokens().await?)
    }

    /// Makes a token. It is shown this once.
    pub async fn add_token(
        &self,
        caller: &Caller,
        wanted: NewToken,
    ) -> Result<Secret, PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        check_name(&wanted.name)?;
        if !(1..=LONGEST_DAYS).contains(&wanted.days) {
            let message = format!("a token is good for 1 to {LONGEST_DAYS} days");
            return Err(PeopleError::Invalid(message));
        }
        let key = Secret::new(format!("{PREFIX}{}", new_key().expose()));
        let now = self.inner.clock.now();
        let token = Token {
            name: wanted.name,
            access: wanted.access,
            created: now,
            created_by: caller.to_string(),
            expires: now + DAY * wanted.days,
            seen: None,
        };
        let (name, days) = (token.name.clone(), wanted.days);
        let did = format!("added the token {name}, {}, for {days} days", token.access);
        let write = PeopleWrite::AddToken(KeyHash::of(key.expose()), token);
        if self.inner.store.change(write).await? == 0 {
            let message = format!(
                "there is a token {name} already, or there are {MAX_TOKENS}, which is the most there may be"
            );
            return Err(PeopleError::Invalid(message));
        }
        self.record(caller, What::Did(did)).await;
        Ok(key)
    }

    /// Removes a token. What uses it is refused from now on.
    pub async fn remove_token(&self, caller: &Caller, name: &str) -> Result<(), PeopleError> {
        self.permit(caller, Deed::Administer).await?;
        let write = PeopleWrite::RemoveToken(name.to_owned());
        if self.inner.store.change(write).await? == 0 {
            return Err(PeopleError::Unknown(format!("there is no token {name}")));
        }
        self.tell();
        let what = What::Did(format!("removed the token {name}"));
        self.record(caller, what).await;
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), PeopleError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(good) {
        let message = format!(
            "a token's name has 1 to {LONGEST_NAME} letters (a to z), digits, '.', '_' and '-'"
        );
        return Err(PeopleError::Invalid(message));
    }
    Ok(())
}
