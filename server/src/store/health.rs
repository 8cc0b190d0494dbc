//! Whether the storage can be written to. The two writers report every commit here; whoever starts, shows or answers
//! something looks.

use super::faults::Faults;
use saltpeter_domain::storage::Recovery;
use sqlx::error::DatabaseError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A commit that takes longer than this is said to be slow.
pub const SLOW: Duration = Duration::from_secs(5);

/// Said of a file that is not at its place any more.
const GONE: &str =
    "it is not there any more; put it back, or its disk, or restart the server to begin a new one";

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
    /// Whether it is about to end.
    recovery: Recovery,
}

impl Trouble {
    /// What it is, what it means and what to do.
    pub fn sentence(&self) -> String {
        format!("{}: {}.{}", self.what(), self.meaning(), self.remedy())
    }

    /// The same of all of `troubles`, and since when: one disk that keeps both files is told of once.
    pub fn sentences(troubles: &[Self]) -> Vec<(Instant, String)> {
        match troubles {
            [first, second] if first.what() == second.what() => {
                let (what, remedy) = (first.what(), first.remedy());
                let (state, output) = match first.kept {
                    Kept::State => (first, second),
                    Kept::Output => (second, first),
                };
                let (state, output) = (state.meaning(), output.meaning());
                let since = first.since.min(second.since);
                vec![(since, format!("{what}: {state}; {output}.{remedy}"))]
            }
            _ => troubles
                .iter()
                .map(|trouble| (trouble.since, trouble.sentence()))
                .collect(),
        }
    }

    fn what(&self) -> String {
        let file = self.file.display();
        let dir = self.file.parent().unwrap_or(Path::new("/")).display();
        match &self.problem {
            Problem::Full => format!("The disk of {dir} is full"),
            Problem::ReadOnly => format!("The disk of {dir} is read-only"),
            Problem::Damaged => format!("{file} is damaged"),
            Problem::Slow => format!(
                "The disk of {dir} is slow: a write has taken more than {} s",
                SLOW.as_secs()
            ),
            Problem::Failing(reason) => format!("{file} cannot be written ({reason})"),
        }
    }

    fn meaning(&self) -> &'static str {
        match (self.kept, &self.problem) {
            (Kept::State, Problem::Slow) => "starts are late, and what is shown may be behind",
            (Kept::State, _) => {
                "nothing new starts, and what is shown may be behind; commands go on on their machines"
            }
            (Kept::Output, _) => "output waits on the machines, and nothing of it is lost",
        }
    }

    fn remedy(&self) -> &'static str {
        match self.problem {
            Problem::Full => " All goes on by itself when there is room.",
            Problem::ReadOnly => " All goes on by itself when it can be written.",
            Problem::Damaged => {
                " Stop the server, keep the file, and put a copy of it in its place."
            }
            Problem::Slow | Problem::Failing(_) => "",
        }
    }

    /// Whether writes fail, rather than take long.
    pub fn is_failure(&self) -> bool {
        self.problem != Problem::Slow
    }

    /// A commit has failed, or is slow. True: that is something else than before.
    fn goes_on(&mut self, problem: Problem) -> bool {
        // What fails and is slow at it fails.
        if problem == Problem::Slow && self.is_failure() {
            return false;
        }
        self.recovery.failed();
        let is_new = self.problem != problem;
        self.problem = problem;
        is_new
    }

    /// A commit has gone through, with so much room on a disk that was full. True: it is over.
    fn eases(&mut self, room: Option<u64>) -> bool {
        !self.is_failure() || self.recovery.went_well(self.since.elapsed(), room)
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

    /// A commit has failed, or is slow.
    fn note(&self, kept: Kept, file: &Path, problem: Problem) {
        self.troubles.send_if_modified(|troubles| {
            if let Some(known) = troubles.iter_mut().find(|trouble| trouble.kept == kept) {
                return known.goes_on(problem);
            }
            troubles.push(Trouble {
                kept,
                problem,
                file: file.to_owned(),
                since: Instant::now(),
                recovery: Recovery::default(),
            });
            true
        });
    }

    /// A commit has gone through.
    fn note_success(&self, kept: Kept, file: &Path) {
        let of = |trouble: &&Trouble| trouble.kept == kept;
        let problem = {
            let troubles = self.troubles.borrow();
            troubles.iter().find(of).map(|known| known.problem.clone())
        };
        let room = match problem {
            None => return,
            Some(Problem::Full) => room(file),
            Some(_) => None,
        };
        self.troubles.send_if_modified(|troubles| {
            let place = troubles.iter().position(|trouble| trouble.kept == kept);
            let over = place.filter(|place| troubles[*place].eases(room));
            over.map(|place| troubles.remove(place)).is_some()
        });
    }
}

/// How many bytes more this process can write to the disk of `file`; `None`: its file system does not tell.
fn room(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok();
    let disk = disk.filter(|disk| disk.f_blocks > 0)?;
    // Some blocks are for root alone.
    let blocks = if rustix::process::geteuid().is_root() {
        disk.f_bfree
    } else {
        disk.f_bavail
    };
    Some(blocks.saturating_mul(disk.f_frsize))
}

/// What surrounds the commits of one writer.
#[derive(Debug, Clone)]
pub(super) struct Commits {
    kept: Kept,
    file: PathBuf,
    /// Whether the file had its name when it was opened.
    named: bool,
    health: Health,
    faults: Faults,
}

impl Commits {
    pub(super) fn new(kept: Kept, file: &Path, health: Health, faults: Faults) -> Self {
        Self {
            kept,
            file: file.to_owned(),
            named: file.exists(),
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
            self.still_named()?;
            commit.await
        };
        tokio::pin!(whole);
        let result = if let Ok(result) = tokio::time::timeout(SLOW, &mut whole).await {
            result
        } else {
            self.health.note(self.kept, &self.file, Problem::Slow);
            whole.await
        };
        match &result {
            Ok(_) => self.health.note_success(self.kept, &self.file),
            Err(error) => {
                if let Some(problem) = error.as_sqlx().and_then(problem) {
                    self.health.note(self.kept, &self.file, problem);
                }
            }
        }
        result
    }

    /// An open file takes writes also when its name is gone: the directory was removed or moved away, or its disk taken
    /// off. Nobody would find them again.
    fn still_named(&self) -> Result<(), sqlx::Error> {
        let gone = std::fs::symlink_metadata(&self.file)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if self.named && gone {
            return Err(io::Error::new(io::ErrorKind::NotFound, GONE).into());
        }
        Ok(())
    }

    /// Whether commits fail for the storage's fault, or did until just now: it is to be tried whether they go through.
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

/// Whether an error is the storage's fault.
pub(super) fn is_of_storage(error: &impl AsSqlx) -> bool {
    error.as_sqlx().and_then(problem).is_some()
}

/// What an error says of the storage; `None`: it says nothing of it.
pub(super) fn problem(error: &sqlx::Error) -> Option<Problem> {
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

/// By `SQLite`'s primary result code, <https://sqlite.org/rescode.html>.
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
mod tests;
