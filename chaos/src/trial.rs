//! A server with jobs whose truth is known, from its start to the verdict. What happens in between is others' business.

mod deeds;
mod quiet;

pub(crate) use deeds::{Deeds, wall};

use crate::checker::{Figures, Violation, check};
use crate::files;
use crate::page::{Page, Rows, differences};
use crate::plan::{MACHINES, Plan};
use crate::stage::Stage;
use crate::watcher::{Watcher, overview};
use anyhow::Result;
use saltpeter_testkit::Client;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a request by hand may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What came of a chaos run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was counted.
    pub figures: Figures,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// What was found wrong.
    pub violations: Vec<Violation>,
    /// How long all of it took.
    pub took: Duration,
    /// Where everything is, when something was found wrong.
    pub kept: Option<String>,
}

/// How long an open page may be behind.
const PAGE_WITHIN: Duration = Duration::from_secs(3);

/// Where the page that was open all the time shows something else than a new one.
async fn open_page(page: &Page, client: Client) -> Result<Vec<String>> {
    let deadline = Instant::now() + PAGE_WITHIN;
    loop {
        let new = overview(client).await?.jobs.into_iter();
        let new: Rows = new.map(|row| (row.name.clone(), row)).collect();
        let differences = differences(&page.rows(), &new);
        if differences.is_empty() || Instant::now() > deadline {
            return Ok(differences);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The server.
    pub(crate) stage: Stage,
    /// What was done to it.
    pub(crate) deeds: Deeds,
    plan: Plan,
    begun: Instant,
    watcher: Watcher,
    watching: JoinHandle<()>,
    page: Page,
    stop: CancellationToken,
}

impl Trial {
    /// Starts a server with the jobs of `plan`, and waits until it is up.
    pub(crate) async fn begin(name: &str, plan: Plan) -> Result<Self> {
        let begun = Instant::now();
        let mut stage = Stage::new(name).await?;
        let machines: Vec<String> = MACHINES.map(str::to_owned).into();
        stage.configure(&machines, "  start_window: 12\n", |place| {
            let jobs = plan.jobs.iter();
            jobs.map(|job| files::job(place, &stage.job(&job.name), job))
                .collect()
        })?;
        let mut deeds = Deeds::default();
        deeds.first = wall();
        stage.start()?;
        stage.until_up().await?;
        deeds.up = wall();
        let stop = CancellationToken::new();
        let watcher = Watcher::default();
        let watching = tokio::spawn(watcher.clone().look(stage.client(), stop.clone()));
        let page = Page::default();
        tokio::spawn(page.clone().stay_open(stage.api_port, stop.clone()));
        Ok(Self {
            page,
            stage,
            deeds,
            plan,
            begun,
            watcher,
            watching,
            stop,
        })
    }

    /// Lets everything end, and has it checked. With `keep`, the directory stays in any case.
    pub(crate) async fn conclude(mut self, keep: bool) -> Result<Outcome> {
        let (stage, deeds, plan) = (&mut self.stage, &self.deeds, &self.plan);
        let quiet = quiet::until_over(stage, deeds, plan).await?;
        let pages = open_page(&self.page, stage.client()).await?;
        self.stop.cancel();
        self.watching.await?;
        let mut account = quiet::account(stage, deeds, plan, quiet.paused_at).await?;
        account.shown = self.watcher.shown();
        account.left = quiet.left;
        account.disagreements.extend(pages);
        if let Err(error) = stage.stop().await {
            account.left.push(format!("{error:#}"));
        }
        let (figures, violations) = check(&account);
        let wrong = keep || !violations.is_empty();
        let kept = wrong.then(|| stage.directory.display().to_string());
        if kept.is_none() {
            self.stage.remove()?;
        }
        Ok(Outcome {
            seed: self.plan.seed,
            figures,
            faults: self.deeds.counts(),
            violations,
            took: self.begun.elapsed(),
            kept,
        })
    }
}
