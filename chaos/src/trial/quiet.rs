//! After the faults: everything is in order again, the schedules stop, and what runs comes to its end.

use super::deeds::{Deeds, wall};
use crate::checker::{Account, JobFacts};
use crate::collect::collect;
use crate::ledger;
use crate::plan::{Ends, JobPlan, Plan};
use crate::processes::{runs_command_of, wrappers};
use crate::proxy::Weather;
use crate::stage::{Faults, Stage};
use crate::watcher::overview;
use anyhow::{Result, ensure};
use chrono_tz::Tz;
use saltpeter_domain::{Schedule, schedule::Zone};
use saltpeter_protocol::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long jobs still fire after the last fault.
const CALM: Duration = Duration::from_secs(3);

/// Within this time everything is over: a start without a wrapper takes 30 s, and 15 s of silence and 3 s of grace end a
/// machine whose wrapper was killed; a command that ignores SIGTERM gets 5 s, and the runs that wait for all that follow.
const OVER_WITHIN: Duration = Duration::from_secs(75);

/// How often it is looked whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How it became quiet.
#[derive(Debug)]
pub(super) struct Quiet {
    /// The server's clock when the first job was paused.
    pub(super) paused_at: i64,
    /// What is not over.
    pub(super) left: Vec<String>,
}

/// Lets everything end.
pub(super) async fn until_over(stage: &mut Stage, deeds: &Deeds, plan: &Plan) -> Result<Quiet> {
    stage.proxy.set(|weather| *weather = Weather::default());
    stage.set_faults(|faults| {
        *faults = Faults {
            clock_offset_ms: faults.clock_offset_ms,
            ..Faults::default()
        }
    })?;
    if stage.server().is_none() {
        stage.start()?;
    }
    stage.until_up().await?;
    sleep(CALM).await;
    let paused_at = wall() + stage.faults().clock_offset_ms;
    let client = stage.client();
    for job in plan.jobs.iter().filter(|job| job.schedule.is_some()) {
        let path = format!("/api/v1/jobs/{}/pause", stage.job(&job.name));
        let answer = client.post(&path, r#"{"paused":true}"#).await?;
        ensure!(answer.status == 200, "{path} is answered {}", answer.status);
    }
    let deadline = Instant::now() + OVER_WITHIN;
    let endless: BTreeSet<String> = plan
        .jobs
        .iter()
        .filter(|job| job.shape.millis == 0)
        .map(|job| stage.job(&job.name))
        .collect();
    let mut told = BTreeSet::new();
    loop {
        let mut going = Vec::new();
        for run in overview(client)
            .await?
            .jobs
            .iter()
            .flat_map(|job| &job.active)
        {
            if endless.contains(run.job.as_str())
                && !told.contains(&run.id)
                && deeds.hand().kill(client, run.id.as_str()).await
            {
                told.insert(run.id.clone());
            }
            going.push(format!("{} is not over: {:?}", run.id, run.counts));
        }
        let wrappers = wrappers(stage.proxy.port);
        going.extend(
            wrappers
                .iter()
                .map(|wrapper| format!("the wrapper {} of {:?} lives", wrapper.pid, wrapper.place)),
        );
        going.extend(
            alive(stage)?
                .iter()
                .map(|pid| format!("the command {pid} lives")),
        );
        if going.is_empty() || Instant::now() > deadline {
            return Ok(Quiet {
                paused_at,
                left: going,
            });
        }
        sleep(LOOK_EVERY).await;
    }
}

fn alive(stage: &Stage) -> Result<BTreeSet<u32>> {
    let traces = ledger::read(&stage.ledger())?;
    let alive = traces
        .iter()
        .filter(|trace| runs_command_of(trace.pid, &trace.run));
    Ok(alive.map(|trace| trace.pid).collect())
}

/// Everything that the checker needs, but for what was shown.
pub(super) async fn account(
    stage: &Stage,
    deeds: &Deeds,
    plan: &Plan,
    paused_at: i64,
) -> Result<Account> {
    let said = collect(&stage.database(), stage.client()).await?;
    let now = wall() + stage.faults().clock_offset_ms;
    let window = Window {
        may_from: deeds.first,
        must_from: deeds.up,
        must_to: paused_at - CALM.as_millis() as i64,
        may_to: now.max(deeds.latest),
    };
    Ok(Account {
        jobs: plan
            .jobs
            .iter()
            .map(|job| Ok((stage.job(&job.name), facts(job, window)?)))
            .collect::<Result<BTreeMap<_, _>>>()?,
        traces: ledger::read(&stage.ledger())?,
        killed_wrappers: deeds.killed_wrappers.clone(),
        kills: deeds.hand().all_kills(),
        started: deeds.hand().all_started(),
        rows: said.rows,
        told: said.machines,
        alive: alive(stage)?,
        disagreements: said.disagreements,
        ..Account::default()
    })
}

/// From when to when instants count, by the server's clock.
#[derive(Debug, Clone, Copy)]
struct Window {
    may_from: i64,
    must_from: i64,
    must_to: i64,
    may_to: i64,
}

fn facts(job: &JobPlan, window: Window) -> Result<JobFacts> {
    let mut facts = JobFacts {
        timeout: (job.timeout > 0).then_some(job.timeout as i64 * 1000),
        signal: match job.shape.ends {
            Ends::Signal(signal) => Some(signal),
            Ends::Any | Ends::Exit(_) | Ends::After(_) => None,
        },
        replaces: job.overlap == "replace",
        retries: job.retries as usize,
        ..JobFacts::default()
    };
    let Some(schedule) = &job.schedule else {
        return Ok(facts);
    };
    let schedule = Schedule::parse(schedule, Zone::Named(Tz::UTC))?;
    let instants = schedule.after(UnixMillis(window.may_from - 1), Tz::UTC);
    facts.may = instants
        .map(|UnixMillis(instant)| instant)
        .take_while(|instant| *instant <= window.may_to)
        .collect();
    let must = facts.may.iter().copied();
    facts.must = must
        .filter(|instant| *instant > window.must_from && *instant <= window.must_to)
        .collect();
    Ok(facts)
}
