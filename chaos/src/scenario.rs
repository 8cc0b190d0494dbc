//! Stories with a fixed course, each of which proves one promise.

use crate::content::Dice;
use crate::ledger;
use crate::plan::{Ends, JobPlan, Plan, Shape};
use crate::processes::runs_command_of;
use crate::report;
use crate::trial::{Outcome, Trial};
use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use saltpeter_protocol::RunId;
use saltpeter_protocol::api::RunDetail;
use saltpeter_testkit::Client;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Which story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// The server is killed three times among 200 running jobs.
    Kill200,
    /// Links are cut a thousand times, and kills land within two seconds of the reconnection.
    Cuts1000,
}

/// Requests that are under way at a time.
const AT_ONCE: usize = 16;

/// How long something that is waited for may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Within this time after the reconnection a kill has ended the command.
const KILL_LANDS_WITHIN: Duration = Duration::from_secs(2);

/// Wrappers whose links are cut.
const CUT_WRAPPERS: usize = 8;

const ENDLESS: Shape = Shape {
    bytes: 64,
    millis: 0,
    ends: Ends::Any,
    ignores_term: false,
    forks: false,
};

/// Tells it. Whether it ended well.
pub async fn run(name: Name, size: Option<usize>) -> Result<bool> {
    let outcome = match name {
        Name::Kill200 => kill_among(size.unwrap_or(200)).await?,
        Name::Cuts1000 => cuts(size.unwrap_or(1000)).await?,
    };
    let is_well = outcome.violations.is_empty();
    print!("{}", report::table(&[outcome]));
    Ok(is_well)
}

fn plan(count: usize, shape: impl Fn(usize) -> Shape) -> Plan {
    let job = |number| JobPlan {
        name: format!("j{number}"),
        schedule: None,
        overlap: "skip",
        missed: "skip",
        timeout: 0,
        retries: 0,
        machines: 1,
        shape: shape(number),
    };
    Plan {
        seed: 0,
        length: Duration::ZERO,
        jobs: (0..count).map(job).collect(),
        faults: Vec::new(),
    }
}

/// `count` jobs run; the server is killed three times. Every other job is without an end and is killed just before the
/// server's second death.
async fn kill_among(count: usize) -> Result<Outcome> {
    let millis = 8_000 + count as u64 * 150;
    let plan = plan(count, |number| match number % 4 {
        0 => Shape {
            ignores_term: true,
            ..ENDLESS
        },
        2 => ENDLESS,
        _ => Shape {
            bytes: 40_000,
            millis,
            ..ENDLESS
        },
    });
    let mut trial = Trial::begin("kill", plan).await?;
    let runs = start_all(&mut trial, count).await?;
    until_all(trial.stage.client(), &runs, |run| written(run) > 0).await?;
    death(&mut trial).await?;
    let taken_up = Instant::now();
    let client = trial.stage.client();
    let before = runs_of(client, &runs).await?;
    ensure!(
        before.len() == count,
        "{} of {count} runs are there",
        before.len()
    );
    let endless: Vec<RunId> = runs.iter().step_by(2).cloned().collect();
    let lengths: BTreeMap<RunId, u64> = before
        .iter()
        .map(|run| (run.summary.id.clone(), written(run)))
        .collect();
    // Those that have an end may be silent until then.
    let goes_on = |run: &RunDetail| written(run) > lengths[&run.summary.id];
    until_all(client, &endless, goes_on).await?;
    println!(
        "all {count} runs are there after the restart, and the {} commands that go on writing are heard within {:.1} s of it",
        endless.len(),
        taken_up.elapsed().as_secs_f64()
    );
    let hand = trial.deeds.hand();
    let kills = futures::stream::iter(&endless).map(|run| hand.kill(client, run.as_str()));
    let accepted: Vec<bool> = kills.buffer_unordered(AT_ONCE).collect().await;
    ensure!(
        accepted.iter().all(|accepted| *accepted),
        "a kill was refused"
    );
    death(&mut trial).await?;
    let up = Instant::now();
    until_all(client, &endless, |run| run.summary.state.is_ended()).await?;
    println!(
        "all {} kills landed within {:.1} s of the restart (half of the commands ignore SIGTERM, for 5 s)",
        endless.len(),
        up.elapsed().as_secs_f64()
    );
    death(&mut trial).await?;
    until_all(client, &runs, |run| run.summary.state.is_ended()).await?;
    trial.conclude(false).await
}

/// The links of a few wrappers are cut `count` times while their commands write; then kills wait for a wrapper that is away.
async fn cuts(count: usize) -> Result<Outcome> {
    let writing = Shape {
        bytes: 60_000,
        ..ENDLESS
    };
    let plan = plan(CUT_WRAPPERS, |_| writing);
    let mut trial = Trial::begin("cuts", plan).await?;
    let runs = start_all(&mut trial, CUT_WRAPPERS).await?;
    let client = trial.stage.client();
    until_all(client, &runs, |run| written(run) > 0).await?;
    let mut dice = Dice::new(1000);
    let mut cut = 0;
    while cut < count {
        let done = trial.stage.proxy.cut(dice.between(1, 2));
        trial.deeds.count("links cut", done);
        cut += done;
        sleep(Duration::from_millis(dice.between(1, 500))).await;
    }
    println!("{cut} links cut");
    let mut slowest = Duration::ZERO;
    for run in &runs {
        slowest = slowest.max(kill_while_away(&trial, run).await?);
    }
    println!(
        "{} kills, each while no wrapper was connected: the command was gone {:.2} s after its wrapper's return at the latest",
        runs.len(),
        slowest.as_secs_f64()
    );
    ensure!(
        slowest <= KILL_LANDS_WITHIN,
        "a kill took longer than {KILL_LANDS_WITHIN:?}"
    );
    trial.conclude(false).await
}

/// From the reconnection of the run's wrapper, the first to come back, to the end of its command.
async fn kill_while_away(trial: &Trial, run: &RunId) -> Result<Duration> {
    let traces = ledger::read(&trial.stage.ledger())?;
    let trace = traces.iter().find(|trace| trace.run == run.as_str());
    let pid = trace.context("a run without a command")?.pid;
    let proxy = &trial.stage.proxy;
    proxy.set(|weather| weather.refuses = true);
    proxy.cut(1);
    let client = trial.stage.client();
    ensure!(
        trial.deeds.hand().kill(client, run.as_str()).await,
        "a kill was refused"
    );
    ensure!(
        runs_command_of(pid, run.as_str()),
        "a kill landed without a link"
    );
    // Only this wrapper matters; others that come back earlier make the time longer, not shorter.
    let before = proxy.accepted();
    proxy.set(|weather| weather.refuses = false);
    let since = within(async || (proxy.accepted() > before).then(Instant::now)).await?;
    within(async || (!runs_command_of(pid, run.as_str())).then_some(())).await?;
    Ok(since.elapsed())
}

async fn death(trial: &mut Trial) -> Result<()> {
    trial.stage.kill().await?;
    trial.deeds.count("server killed", 1);
    trial.stage.start()?;
    trial.stage.until_up().await
}

async fn start_all(trial: &mut Trial, count: usize) -> Result<Vec<RunId>> {
    let client = trial.stage.client();
    let jobs: Vec<String> = (0..count)
        .map(|number| trial.stage.job(&format!("j{number}")))
        .collect();
    let starts = futures::stream::iter(&jobs).map(|job| client.run_now(job));
    let runs: Vec<Result<RunId>> = starts.buffered(AT_ONCE).collect().await;
    let runs: Vec<RunId> = runs.into_iter().collect::<Result<_>>()?;
    for run in &runs {
        trial.deeds.hand().started(run.as_str());
    }
    Ok(runs)
}

fn written(run: &RunDetail) -> u64 {
    run.machines
        .iter()
        .map(|machine| machine.output.bytes)
        .sum()
}

async fn runs_of(client: Client, runs: &[RunId]) -> Result<Vec<RunDetail>> {
    let asked = futures::stream::iter(runs).map(|run| client.run(run));
    let found: Vec<Result<RunDetail>> = asked.buffered(AT_ONCE).collect().await;
    found.into_iter().collect()
}

async fn until_all(
    client: Client,
    runs: &[RunId],
    is_so: impl Fn(&RunDetail) -> bool,
) -> Result<()> {
    within(async || {
        let all = runs_of(client, runs).await.ok()?;
        all.iter().all(&is_so).then_some(())
    })
    .await
}

async fn within<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let found = timeout(PATIENCE, found).await;
    found.with_context(|| format!("what was waited for did not come within {PATIENCE:?}"))
}
