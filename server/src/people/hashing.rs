//! Passwords by argon2id, on few threads: each hash takes 19 MiB and some tens of milliseconds, on purpose.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use saltpeter_domain::Secret;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Passwords that are hashed at a time.
const AT_A_TIME: usize = 2;
/// Passwords that may wait for it; further logins are asked to try again.
const WAITING: usize = 32;

/// Hashes and compares passwords. Clones share the bounds.
#[derive(Debug, Clone)]
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Of no password: compared with where there is none, so that it takes as long.
    nobodys: Arc<tokio::sync::OnceCell<Secret>>,
}

/// Why a password was not hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many wait already.
    #[error("too many people log in at this moment; try again in a few seconds")]
    Busy,
    /// The computation failed.
    #[error("the password cannot be hashed: {0}")]
    Failed(String),
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            nobodys: Arc::default(),
        }
    }
}

impl Hashing {
    /// The hash of a password, with a salt of its own.
    pub(super) async fn hash(&self, password: Secret) -> Result<Secret, HashingError> {
        self.compute(move || {
            Argon2::default()
                .hash_password(password.expose().as_bytes())
                .map(|hash| Secret::new(hash.to_string()))
                .map_err(|error| HashingError::Failed(error.to_string()))
        })
        .await?
    }

    /// Whether `password` is the one of `hash`; without one it is not, which takes as long to find out.
    pub(super) async fn verify(
        &self,
        password: Secret,
        hash: Option<Secret>,
    ) -> Result<bool, HashingError> {
        let there_is_one = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.nobodys().await?,
        };
        let same = self
            .compute(move || {
                PasswordHash::new(hash.expose()).is_ok_and(|hash| {
                    Argon2::default()
                        .verify_password(password.expose().as_bytes(), &hash)
                        .is_ok()
                })
            })
            .await?;
        Ok(same && there_is_one)
    }

    async fn nobodys(&self) -> Result<Secret, HashingError> {
        let made = self
            .nobodys
            .get_or_try_init(|| self.hash(super::key::new_key()));
        made.await.cloned()
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let waiting = Arc::clone(&self.waiting);
        let place = waiting.try_acquire_owned();
        let place = place.map_err(|_| HashingError::Busy)?;
        let failed = |error: &dyn std::fmt::Display| HashingError::Failed(error.to_string());
        let running = Arc::clone(&self.running);
        let turn = running.acquire_owned().await.map_err(|e| failed(&e))?;
        let working = tokio::task::spawn_blocking(move || {
            // Held by the thread: it goes on also when nobody waits for it any more.
            let _held = (place, turn);
            work()
        });
        working.await.map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let hashing = Hashing::default();
        let password = || Secret::new("correct horse battery staple");
        let one = hashing.hash(password()).await.unwrap();
        let two = hashing.hash(password()).await.unwrap();
        assert!(
            one.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            one.expose()
        );
        assert_ne!(one.expose(), two.expose(), "each has a salt of its own");
        for (password, hash, same) in [
            (password(), Some(one.clone()), true),
            (
                Secret::new("correct horse battery stapler"),
                Some(one),
                false,
            ),
            (password(), None, false),
            (password(), Some(Secret::new("not a hash")), false),
        ] {
            assert_eq!(hashing.verify(password, hash).await, Ok(same));
        }
    }

    #[tokio::test]
    async fn one_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        let hashing = Hashing::default();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut working = Box::pin(hashing.compute(move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        }));
        tokio::select! {
            biased;
            _ = &mut working => unreachable!("it waits"),
            begun = has_begun => begun.unwrap(),
        }
        drop(working);
        let left = || {
            (
                hashing.running.available_permits(),
                hashing.waiting.available_permits(),
            )
        };
        assert_eq!(left(), (AT_A_TIME - 1, WAITING - 1));
        go.send(()).unwrap();
        let all = hashing.running.acquire_many(AT_A_TIME as u32).await;
        drop(all.unwrap());
        assert_eq!(left().0, AT_A_TIME);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        let hashing = Hashing::default();
        let _all = hashing.waiting.try_acquire_many(WAITING as u32).unwrap();
        let refused = hashing.hash(Secret::new("x")).await;
        assert_eq!(refused.err(), Some(HashingError::Busy));
    }
}
