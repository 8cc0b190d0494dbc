//! The executor over Salt: finds machines by a ping, starts wrappers by one call for all machines of a batch, and
//! brings the wrapper to machines that lack it.
//!
//! Salt's answers are hints: a wrapper that has connected is there, whatever Salt says of its launch, or fails to say.

mod binaries;
mod deliver;
mod direct;
mod launch;
mod outcome;
mod recent;
mod resolve;
mod script;
#[cfg(test)]
mod tests;
mod verdict;

use super::{Direct, DirectNews, Executor, ExecutorError, LaunchNews, Matching};
use crate::config_watch::Config;
use crate::salt::{Salt, SaltError};
use binaries::Binaries;
use futures::future::BoxFuture;
use recent::Recent;
use saltpeter_domain::{Maintenance, TargetExpr};
use saltpeter_protocol::api::TargetRow;
use saltpeter_protocol::launch::Launch;
use saltpeter_protocol::{MachineId, UnixMillis};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Starts wrappers by Salt.
pub struct SaltExecutor {
    config: Config,
    salt: Arc<dyn Salt>,
    binaries: Arc<Binaries>,
    /// What pages were told.
    recent: Recent,
}

impl SaltExecutor {
    /// An executor over `salt`. Where wrappers come from is taken from the settings of this moment.
    pub fn new(config: Config, salt: Arc<dyn Salt>) -> Self {
        let settings = &config.current().settings;
        let binaries = Binaries::new(
            settings.wrappers_dir.clone().map(PathBuf::from),
            settings.salt_file_root.clone().map(PathBuf::from),
        );
        Self {
            config,
            salt,
            binaries,
            recent: Recent::default(),
        }
    }
}

impl From<SaltError> for ExecutorError {
    fn from(error: SaltError) -> Self {
        match error {
            SaltError::Away(message) | SaltError::Unsure(message) => Self::Away(message),
            SaltError::Refused(message) => Self::Failed(message),
        }
    }
}

impl Executor for SaltExecutor {
    fn describe(&self) -> String {
        self.salt.describe()
    }

    fn server_host(&self, configured: Option<&str>) -> String {
        let own = || hostname::get().map(|name| name.to_string_lossy().into_owned());
        let named = configured.map(str::to_owned);
        named.unwrap_or_else(|| own().unwrap_or_else(|_| "localhost".to_owned()))
    }

    fn resolve<'a>(
        &'a self,
        targets: &'a TargetExpr,
    ) -> BoxFuture<'a, Result<Matching, ExecutorError>> {
        Box::pin(self.ping(targets, resolve::ANSWER_WITHIN))
    }

    fn launch<'a>(
        &'a self,
        launches: Vec<Launch>,
        path: &'a str,
        news: mpsc::Sender<LaunchNews>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(self.start(launches, path, news))
    }

    fn run(&self, order: Direct, news: mpsc::Sender<DirectNews>) -> BoxFuture<'_, ()> {
        Box::pin(self.run_direct(order, news))
    }

    fn known_machines(&self) -> BoxFuture<'_, Vec<MachineId>> {
        Box::pin(self.all_machines())
    }

    fn explain<'a>(
        &'a self,
        targets: &'a TargetExpr,
        maintenance: &'a Maintenance,
        now: UnixMillis,
    ) -> BoxFuture<'a, Result<Vec<TargetRow>, ExecutorError>> {
        Box::pin(self.preview(targets, maintenance, now))
    }
}
