//! Whether the storage can be written to. The two writers report every commit here; whoever starts, shows or answers
//! something looks.

use super::faults::Faults;
use sqlx::error::DatabaseError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A commit that takes longer than this is said to be slow.
pub const SLOW: Duration = Duration::from_secs(5);

/// What is kept, each in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Runs, their machines, pauses.
    State,
    /// What commands write.
    Output,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The disk has no room, or a quota is reached.
    Full,
    /// The disk takes no writes.
    ReadOnly,
    /// The file is not a database any more.
    Damaged,
    /// A commit takes very long. What waits is written when it is through.
    Slow,
    /// Anything else, in the database's words.
    Failing(String),
}

/// A file that cannot be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which.
    pub kept: Kept,
    /// What is wrong.
    pub problem: Problem,
    /// Its file.
    pub file: PathBuf,
    /// Since when.
    pub since: Instant,
}

impl Trouble {
    /// What it is, what it means and what to do.
    pub fn sentence(&self) -> String {
        let file = self.file.display();
        let dir = self.file.parent().unwrap_or(Path::new("/")).display();
        let what = match &self.problem {
            Problem::Full => format!("The disk of {dir} is full"),
            Problem::ReadOnly => format!("The disk of {dir} is read-only"),
            Problem::Damaged => format!("{file} is damaged"),
            Problem::Slow => format!(
                "The disk of {dir} is slow: a write has taken more than {} s",
                SLOW.as_secs()
            ),
            Problem::Failing(reason) => format!("{file} cannot be written ({reason})"),
        };
        let meaning = match (self.kept, &self.problem) {
            (Kept::State, Problem::Slow) => "starts are late, and what is shown may be behind",
            (Kept::State, _) => {
                "nothing new starts, and what is shown may be behind; commands go on on their machines"
            }
            (Kept::Output, _) => "output waits on the machines, and nothing of it is lost",
        };
        let remedy = match self.problem {
            Problem::Full => " All goes on by itself when there is room.",
            Problem::ReadOnly => " All goes on by itself when it can be written.",
            Problem::Damaged => {
                " Stop the server, keep the file, and put a copy of it in its place."
            }
            Problem::Slow | Problem::Failing(_) => "",
        };
        format!("{what}: {meaning}.{remedy}")
    }

    /// Whether writes fail, rather than take long.
    pub fn is_failure(&self) -> bool {
        self.problem != Problem::Slow
    }

    /// Whether runs cannot be written down because of it.
    pub fn stops_starts(&self) -> bool {
        self.kept == Kept::State && self.is_failure()
    }
}

/// What is wrong with the storage at the moment. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    troubles: Arc<watch::Sender<Vec<Trouble>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            troubles: Arc::new(watch::Sender::new(Vec::new())),
        }
    }
}

impl Health {
    /// What is wrong now.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.troubles.borrow().clone()
    }

    /// What is wrong, now and at every change.
    pub fn subscribe(&self) -> watch::Receiver<Vec<Trouble>> {
        self.troubles.subscribe()
    }

    /// Why runs and their states cannot be written, if they cannot.
    pub fn state_failure(&self) -> Option<Trouble> {
        let troubles = self.troubles.borrow();
        troubles
            .iter()
            .find(|trouble| trouble.stops_starts())
            .cloned()
    }

    fn set(&self, kept: Kept, file: &Path, problem: Option<Problem>) {
        self.troubles.send_if_modified(|troubles| {
            let known = troubles.iter().position(|trouble| trouble.kept == kept);
            match (known, problem) {
                (None, None) => false,
                (Some(place), None) => {
                    troubles.remove(place);
                    true
                }
                // What fails and is slow at it fails.
                (Some(place), Some(Problem::Slow)) if troubles[place].is_failure() => false,
                (Some(place), Some(problem)) => {
                    let same = troubles[place].problem == problem;
                    troubles[place].problem = problem;
                    !same
                }
                (None, Some(problem)) => {
                    troubles.push(Trouble {
                        kept,
                        problem,
                        file: file.to_owned(),
                        since: Instant::now(),
                    });
                    true
                }
            }
        });
    }
}

/// What surrounds the commits of one writer.
#[derive(Debug, Clone)]
pub(super) struct Commits {
    kept: Kept,
    file: PathBuf,
    health: Health,
    faults: Faults,
}

impl Commits {
    pub(super) fn new(kept: Kept, file: &Path, health: Health, faults: Faults) -> Self {
        Self {
            kept,
            file: file.to_owned(),
            health,
            faults,
        }
    }

    /// Carries a commit out and reports what comes of it.
    pub(super) async fn watch<T, E>(
        &self,
        commit: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error> + AsSqlx,
    {
        let whole = async {
            self.faults.pass().await?;
            commit.await
        };
        tokio::pin!(whole);
        let result = match tokio::time::timeout(SLOW, &mut whole).await {
            Ok(result) => result,
            Err(_) => {
                self.health.set(self.kept, &self.file, Some(Problem::Slow));
                whole.await
            }
        };
        match &result {
            Ok(_) => self.health.set(self.kept, &self.file, None),
            Err(error) => {
                if let Some(problem) = error.as_sqlx().and_then(problem) {
                    self.health.set(self.kept, &self.file, Some(problem));
                }
            }
        }
        result
    }

    /// Whether the last commit failed for the storage's fault.
    pub(super) fn failing(&self) -> bool {
        let troubles = self.health.troubles.borrow();
        troubles
            .iter()
            .any(|trouble| trouble.kept == self.kept && trouble.is_failure())
    }
}

/// An error that may be the database's.
pub(super) trait AsSqlx {
    /// The database's error, if it is one.
    fn as_sqlx(&self) -> Option<&sqlx::Error>;
}

impl AsSqlx for sqlx::Error {
    fn as_sqlx(&self) -> Option<&sqlx::Error> {
        Some(self)
    }
}

impl AsSqlx for super::StoreError {
    fn as_sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// What an error says of the storage; `None`: it says nothing of it.
fn problem(error: &sqlx::Error) -> Option<Problem> {
    match error {
        sqlx::Error::Io(error) => Some(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Problem::Full,
            io::ErrorKind::ReadOnlyFilesystem => Problem::ReadOnly,
            _ => Problem::Failing(error.to_string()),
        }),
        sqlx::Error::Database(error) => by_code(error.as_ref()),
        sqlx::Error::WorkerCrashed => Some(Problem::Failing(error.to_string())),
        _ => None,
    }
}

/// By SQLite's primary result code, <https://sqlite.org/rescode.html>.
fn by_code(error: &dyn DatabaseError) -> Option<Problem> {
    let code: i32 = error.code()?.parse().ok()?;
    match code & 0xff {
        13 => Some(Problem::Full),
        8 => Some(Problem::ReadOnly),
        11 | 26 => Some(Problem::Damaged),
        // IOERR, CANTOPEN, NOMEM, BUSY (another process holds the file for longer than we wait).
        10 | 14 | 7 | 5 => Some(Problem::Failing(error.message().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::faults::CommitFailure;

    fn commits(kept: Kept) -> (Commits, Faults, Health) {
        let (faults, health) = (Faults::default(), Health::default());
        let file = Path::new("/var/lib/saltpeter/x.db");
        (
            Commits::new(kept, file, health.clone(), faults.clone()),
            faults,
            health,
        )
    }

    async fn commit(commits: &Commits) -> Result<(), sqlx::Error> {
        commits.watch(async { Ok(()) }).await
    }

    #[tokio::test]
    async fn trouble_begins_with_a_failed_commit_and_ends_with_the_next_one() {
        let (state, faults, health) = commits(Kept::State);
        commit(&state).await.unwrap();
        assert!(health.troubles().is_empty());
        faults.set_failure(Some(CommitFailure::Full));
        assert!(commit(&state).await.is_err());
        let first = health.state_failure().unwrap();
        assert_eq!(first.problem, Problem::Full);
        assert!(state.failing());
        faults.set_failure(Some(CommitFailure::ReadOnly));
        assert!(commit(&state).await.is_err());
        let then = health.state_failure().unwrap();
        assert_eq!(then.problem, Problem::ReadOnly);
        assert_eq!(then.since, first.since, "it is still the same trouble");
        faults.set_failure(None);
        commit(&state).await.unwrap();
        assert!(health.troubles().is_empty() && !state.failing());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_commit_is_said_while_it_lasts() {
        let (output, faults, health) = commits(Kept::Output);
        faults.set_commit_delay(Duration::from_secs(60));
        let going = tokio::spawn({
            let output = output.clone();
            async move { commit(&output).await }
        });
        let mut troubles = health.subscribe();
        troubles.wait_for(|all| !all.is_empty()).await.unwrap();
        assert_eq!(health.troubles()[0].problem, Problem::Slow);
        assert!(!output.failing(), "slow is not failing");
        going.await.unwrap().unwrap();
        assert!(health.troubles().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_slowly_still_fails() {
        let (state, faults, health) = commits(Kept::State);
        faults.set_failure(Some(CommitFailure::Full));
        assert!(commit(&state).await.is_err());
        faults.set_commit_delay(SLOW * 3);
        let troubles = health.subscribe();
        assert!(commit(&state).await.is_err());
        assert!(!troubles.has_changed().unwrap() && state.failing());
    }

    #[test]
    fn an_operator_reads_what_it_is_what_it_means_and_what_to_do() {
        let problems = [
            Problem::Full,
            Problem::ReadOnly,
            Problem::Damaged,
            Problem::Slow,
            Problem::Failing("disk I/O error".to_owned()),
        ];
        let sentences: Vec<String> = [Kept::State, Kept::Output]
            .into_iter()
            .flat_map(|kept| {
                problems.clone().map(|problem| {
                    Trouble {
                        kept,
                        problem,
                        file: "/var/lib/saltpeter/x.db".into(),
                        since: Instant::now(),
                    }
                    .sentence()
                })
            })
            .collect();
        insta::assert_snapshot!(sentences.join("\n"));
    }
}
