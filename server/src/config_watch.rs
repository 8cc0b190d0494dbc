//! Keeps the job set in step with the configuration directory.

use crate::clock::Clock;
use crate::config_dir::ConfigDir;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use saltpeter_domain::config::keys::Effect;
use saltpeter_domain::config::{FileChange, JobSetDiff, Loader};
use saltpeter_domain::{JobSet, Problem, Severity};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How often the directory is looked at although no change was announced: network file systems and link
/// targets announce none.
pub const POLL_EVERY: Duration = Duration::from_millis(700);

/// How long an announced change waits for more of the same, so that a file that is being written is read
/// once it is whole.
const SETTLE: Duration = Duration::from_millis(40);

/// Loads the configuration and loads it again when it changes.
pub struct ConfigWatch {
    loaded: Loaded,
    clock: Arc<dyn Clock>,
    sender: watch::Sender<Arc<JobSet>>,
    requests: mpsc::Receiver<tokio::sync::oneshot::Sender<()>>,
    handle: Config,
}

struct Loaded {
    dir: ConfigDir,
    loader: Loader,
}

/// What is in force, for everybody else.
#[derive(Debug, Clone)]
pub struct Config {
    directory: Arc<Path>,
    jobs: watch::Receiver<Arc<JobSet>>,
    requests: mpsc::Sender<tokio::sync::oneshot::Sender<()>>,
}

impl Config {
    /// What is in force where no directory is watched: whatever `jobs` holds.
    pub fn of(jobs: watch::Receiver<Arc<JobSet>>) -> Self {
        Self {
            directory: Arc::from(Path::new("")),
            jobs,
            requests: mpsc::channel(1).0,
        }
    }

    /// The directory that is watched.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is in force now.
    pub fn current(&self) -> Arc<JobSet> {
        Arc::clone(&self.jobs.borrow())
    }

    /// What is in force, and when it changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<JobSet>> {
        self.jobs.clone()
    }

    /// Looks at the directory now, and returns once what was found is in force. For whoever has just
    /// written a file.
    pub async fn reload(&self) {
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.requests.send(done).await.is_ok() {
            // An error here means that the server is stopping.
            let _ = finished.await;
        }
    }
}

impl ConfigWatch {
    /// Reads the directory for the first time.
    pub fn load(
        directory: PathBuf,
        server_zone: chrono_tz::Tz,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let shared: Arc<Path> = Arc::from(directory.as_path());
        let mut loaded = Loaded {
            dir: ConfigDir::new(directory),
            loader: Loader::new(server_zone),
        };
        let begun = Instant::now();
        let changes = loaded.dir.changes()?;
        let jobs = Arc::new(loaded.loader.apply(changes, clock.now()));
        tracing::info!(
            jobs = jobs.jobs.len(),
            files = jobs.files.len(),
            "{} read in {:?}",
            shared.display(),
            begun.elapsed()
        );
        log_problems(None, &jobs);
        let (sender, receiver) = watch::channel(jobs);
        let (ask, requests) = mpsc::channel(16);
        let handle = Config {
            directory: shared,
            jobs: receiver,
            requests: ask,
        };
        Ok(Self {
            loaded,
            clock,
            sender,
            requests,
            handle,
        })
    }

    /// What is in force, for everybody else.
    pub fn config(&self) -> Config {
        self.handle.clone()
    }

    /// Watches until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), tokio::task::JoinError> {
        let (announce, mut announced) = mpsc::channel(1);
        // Held for as long as this runs: dropping it ends the watching.
        let _watcher = watcher(self.loaded.dir.path(), announce);
        let mut poll = tokio::time::interval(POLL_EVERY);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut missing = false;
        loop {
            let mut asked = None;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = poll.tick() => {}
                Some(()) = announced.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while announced.try_recv().is_ok() {}
                }
                Some(done) = self.requests.recv() => asked = Some(done),
            }
            let mut loaded = self.loaded;
            let looked = tokio::task::spawn_blocking(move || {
                let changes = loaded.dir.changes();
                (loaded, changes)
            });
            let (loaded, changes) = looked.await?;
            self.loaded = loaded;
            match changes {
                Ok(changes) if changes.is_empty() && !missing => {}
                Ok(changes) => {
                    missing = false;
                    self = self.apply(changes).await?;
                }
                Err(error) if !missing => {
                    missing = true;
                    self.tell_unreadable(&error);
                }
                Err(_) => {}
            }
            if let Some(done) = asked {
                // Whoever asked may have left meanwhile.
                let _ = done.send(());
            }
        }
    }

    /// The directory itself cannot be read. It is told where problems are looked for, until it can be again.
    fn tell_unreadable(&self, error: &io::Error) {
        let directory = self.loaded.dir.path().display().to_string();
        let problem = Problem {
            file: Arc::from(directory.as_str()),
            line: 1,
            column: 1,
            severity: Severity::Error,
            message: format!(
                "the configuration directory cannot be read: {error}; what was loaded from it stays in force"
            ),
            job: None,
        };
        tracing::error!("{problem}");
        let mut jobs = JobSet::clone(&self.sender.borrow());
        jobs.problems.push(problem);
        self.sender.send_replace(Arc::new(jobs));
    }

    async fn apply(
        mut self,
        changes: Vec<(String, FileChange)>,
    ) -> Result<Self, tokio::task::JoinError> {
        let begun = Instant::now();
        let files: Vec<String> = changes.iter().map(|(name, _)| name.clone()).collect();
        let now = self.clock.now();
        let mut loaded = self.loaded;
        // Ten thousand jobs take a good part of a second.
        let applied = tokio::task::spawn_blocking(move || {
            let jobs = loaded.loader.apply(changes, now);
            (loaded, jobs)
        });
        let (loaded, jobs) = applied.await?;
        self.loaded = loaded;
        let before = Arc::clone(&self.sender.borrow());
        if jobs == *before {
            return Ok(self);
        }
        tracing::info!(
            "configuration read again ({}) in {:?}: {}",
            files.join(", "),
            begun.elapsed(),
            summary(&JobSetDiff::between(&before, &jobs))
        );
        log_problems(Some(&before), &jobs);
        self.sender.send_replace(Arc::new(jobs));
        Ok(self)
    }
}

/// Announces changes of `dir`. Where the system offers no such thing, polling alone has to do.
fn watcher(dir: &Path, announce: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and ours at that. A full channel already says what is needed.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = announce.try_send(());
        }
    });
    let watching = made.and_then(|mut watcher| {
        watcher.watch(dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watching
        .inspect_err(|error| {
            tracing::warn!(
                "{}: changes are not announced ({error}); looking every {POLL_EVERY:?}",
                dir.display()
            );
        })
        .ok()
}

/// What became different, in a few words.
fn summary(diff: &JobSetDiff) -> String {
    let mut text = format!(
        "{} jobs new, {} changed, {} gone",
        diff.added.len(),
        diff.changed.len(),
        diff.removed.len()
    );
    if diff.maintenance {
        text.push_str("; maintenance has changed");
    }
    for change in &diff.settings {
        // Writing into a String cannot fail.
        let _ = match change.effect {
            Effect::AtOnce => write!(text, "; {} has changed", change.key),
            Effect::Restart => write!(text, "; {} has changed and needs a restart", change.key),
        };
    }
    text
}

/// Logs the problems that were not there before.
fn log_problems(before: Option<&JobSet>, after: &JobSet) {
    for problem in &after.problems {
        if before.is_some_and(|before| before.problems.contains(problem)) {
            continue;
        }
        match problem.severity {
            Severity::Error => tracing::error!("{problem}"),
            Severity::Warning => tracing::warn!("{problem}"),
        }
    }
}
