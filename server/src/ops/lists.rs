//! Lists of runs and of machines.

use super::Ops;
use saltpeter_domain::machines;
use saltpeter_protocol::api::{
    ApiError, KnownMachine, MachineList, MachineQuery, RunList, RunQuery, RunSummary,
};
use saltpeter_protocol::{JobName, MachineId, RunId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// Runs in an answer unless the request says otherwise.
const RUNS: u32 = 50;
/// And if it does.
const MAX_RUNS: u32 = 500;

/// Machines that are looked at.
const MAX_MACHINES: u32 = 20_000;
/// Machines in an answer, at most.
const LISTED: u32 = 200;
/// Over how many days a machine's failures are counted: today and those before, in UTC.
const DAYS: u32 = 7;
/// Things that go on anywhere of which the list of machines tells.
const MAX_WORK: u32 = 20_000;
/// Runs that go on on one machine of which it tells.
const MAX_RUNNING: usize = 8;

impl Ops {
    /// The runs that `query` asks for, newest first.
    pub async fn runs_by(&self, query: &RunQuery) -> Result<RunList, ApiError> {
        let limit = query.limit.unwrap_or(RUNS).clamp(1, MAX_RUNS);
        let list = self.parts.history.by(query, limit).await;
        list.map_err(|e| self.store_failed(&e))
    }

    /// All runs that are not over, also those of jobs that are in no file any more.
    pub fn going(&self) -> Vec<RunSummary> {
        self.parts.runs.all_active()
    }

    /// When the job's last success began; `None` when there has been none.
    pub async fn last_succeeded(&self, job: &JobName) -> Result<Option<UnixMillis>, ApiError> {
        let found = self.parts.history.last_succeeded(job).await;
        found.map_err(|e| self.store_failed(&e))
    }

    /// The machines that `query` asks for, of all that the executor knows or that have taken part in a run.
    pub async fn machines(&self, query: &MachineQuery) -> Result<MachineList, ApiError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let results = parts.history.machines(DAYS, now, MAX_MACHINES).await;
        let results = results.map_err(|e| self.store_failed(&e))?;
        let work = parts.history.work(MAX_WORK).await;
        let mut running: BTreeMap<MachineId, Vec<RunId>> = BTreeMap::new();
        let mut heard = BTreeSet::new();
        for work in work.map_err(|e| self.store_failed(&e))? {
            if work.is_heard {
                heard.insert(work.machine.clone());
            }
            let runs = running.entry(work.machine).or_default();
            if runs.len() < MAX_RUNNING {
                runs.push(work.run);
            }
        }
        let maintenance = parts.board.maintenance();
        let known = |machine: MachineId| KnownMachine {
            seen: None,
            heard: false,
            wrapper: parts.wrappers.version(&machine),
            running: Vec::new(),
            results: 0,
            failed: 0,
            maintenance: maintenance.machines.contains(&machine),
            machine,
        };
        let mut machines: BTreeMap<MachineId, KnownMachine> = BTreeMap::new();
        for one in results {
            let mut row = known(one.machine);
            (row.results, row.failed, row.seen) = (one.results, one.failed, one.seen);
            if heard.contains(&row.machine) {
                // What is stored is when the state last changed; a wrapper gives a sign of life every few seconds.
                (row.seen, row.heard) = (Some(now), true);
            }
            if let Some(runs) = running.remove(&row.machine) {
                row.running = runs;
            }
            machines.insert(row.machine.clone(), row);
        }
        let others = parts.executor.known_machines().await;
        for machine in others.into_iter().chain(maintenance.machines.clone()) {
            if !machines.contains_key(&machine) {
                machines.insert(machine.clone(), known(machine));
            }
        }
        let count = |machines: usize| u32::try_from(machines).unwrap_or(u32::MAX);
        let known = count(machines.len());
        let mut machines = machines::select(machines.into_values().collect(), query);
        let found = count(machines.len());
        machines.truncate(query.limit.unwrap_or(LISTED).clamp(1, LISTED) as usize);
        Ok(MachineList {
            machines,
            found,
            known,
            days: DAYS,
        })
    }
}
