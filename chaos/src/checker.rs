//! Whether what the server says is what happened. Pure: the truth comes from the commands' own ledgers, the plan and the
//! list of what was done to the server.

mod instants;
mod machine;
#[cfg(test)]
mod tests;

use crate::content::Channel;
use crate::ledger::Trace;
use saltpeter_protocol::{MachineOutcome, MachineState, MissedReason, RunOutcome, RunState};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A machine of a run.
pub type Place = (String, String);

/// What is known of a job.
#[derive(Debug, Clone, Default)]
pub struct JobFacts {
    /// Instants that must have their row, milliseconds since 1970.
    pub must: BTreeSet<i64>,
    /// Instants that may have one, those of `must` among them.
    pub may: BTreeSet<i64>,
    /// Milliseconds after which its command is to be ended.
    pub timeout: Option<i64>,
    /// The signal that its command sends itself.
    pub signal: Option<i32>,
    /// Whether its runs kill each other.
    pub replaces: bool,
    /// How often a machine is to be tried again.
    pub retries: usize,
}

/// A run, as the database has it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub run: String,
    /// Its job.
    pub job: String,
    /// The instant that it is for.
    pub instant: Option<i64>,
    /// How it stands.
    pub state: RunState,
}

/// What a command is said to have written.
pub type Output = BTreeMap<Channel, Vec<u8>>;

/// A machine of a run, as the database and the API have it.
#[derive(Debug, Clone)]
pub struct Told {
    /// How it stands, which is about the last attempt.
    pub state: MachineState,
    /// The outcomes of the attempts before, the first one first.
    pub earlier: Vec<MachineOutcome>,
    /// Whether it counted as lost before its wrapper came back.
    pub came_back: bool,
    /// What the command of each attempt is said to have written, the first one first.
    pub outputs: Vec<Output>,
}

/// A kill that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillAsked {
    /// Of which run.
    pub run: String,
    /// Whether the server said yes. Otherwise nobody knows whether it took it.
    pub accepted: bool,
}

/// What a page showed while the run was going.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The most bytes of output of each attempt, the first one first.
    pub bytes: Vec<u64>,
    /// The outcomes of attempts that another was to follow, the first one first.
    pub earlier: Vec<MachineOutcome>,
    /// The last outcome.
    pub outcome: Option<MachineOutcome>,
}

/// Everything that the verdict rests on.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The jobs.
    pub jobs: BTreeMap<String, JobFacts>,
    /// What the commands did.
    pub traces: Vec<Trace>,
    /// Machines whose wrapper was killed.
    pub killed_wrappers: BTreeSet<Place>,
    /// Kills by hand.
    pub kills: Vec<KillAsked>,
    /// Runs that the server said it had started by hand.
    pub started: Vec<String>,
    /// What was shown meanwhile.
    pub shown: BTreeMap<Place, Shown>,
    /// The runs.
    pub rows: Vec<Row>,
    /// Their machines.
    pub told: BTreeMap<Place, Told>,
    /// Processes of commands that still live.
    pub alive: BTreeSet<u32>,
    /// What else was not over when everything had had time to end.
    pub left: Vec<String>,
    /// Where the API says otherwise than the database.
    pub disagreements: Vec<String>,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An instant without a row.
    InstantMissing,
    /// Two rows for one instant.
    InstantTwice,
    /// A row for an instant that the schedule does not name, or that never came.
    InstantExtra,
    /// A run that was started by hand, with the server's word for it, is not there.
    RunLost,
    /// A run that did not begin has commands, or one of a run that is not there ran.
    StartedUnasked,
    /// A command was started twice in one attempt.
    StartedTwice,
    /// Two attempts ran at the same time.
    AttemptsAtOnce,
    /// A machine was tried more often than the job asks for, or after an end that is not to be tried again, or not again after
    /// one that is.
    Attempts,
    /// A machine's outcome is not what its command did.
    Outcome,
    /// A run's outcome is not that of its machines.
    RunOutcome,
    /// Output is not what the command wrote.
    Output,
    /// Output or an outcome that was shown is gone.
    ShownThenGone,
    /// Something is not over although everything had time to end.
    StillGoing,
    /// A kill was accepted and did not land.
    KillLost,
    /// The API and the database do not agree.
    Disagreement,
}

/// A rule that was broken, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Where and how.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

/// What was counted on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Instants that must have a row.
    pub expected: usize,
    /// Rows of instants that are runs.
    pub started: usize,
    /// Rows of instants that were skipped because of an earlier run.
    pub skipped: usize,
    /// Rows of instants that were missed.
    pub missed: BTreeMap<MissedReason, usize>,
    /// Rows of instants that there are not.
    pub extra: usize,
    /// Runs that began.
    pub runs: usize,
    /// Their machines.
    pub machines: usize,
    /// How often one of them was tried again.
    pub retries: usize,
    /// Bytes of output that were compared.
    pub bytes: u64,
}

#[derive(Default)]
struct Findings {
    figures: Figures,
    violations: Vec<Violation>,
}

impl Findings {
    fn note(&mut self, rule: Rule, detail: String) {
        self.violations.push(Violation { rule, detail });
    }
}

/// Compares what was told with what happened.
pub fn check(account: &Account) -> (Figures, Vec<Violation>) {
    let mut findings = Findings::default();
    instants::check(account, &mut findings);
    let rows: BTreeMap<&str, &Row> = account
        .rows
        .iter()
        .map(|row| (row.run.as_str(), row))
        .collect();
    for run in &account.started {
        if !rows.contains_key(run.as_str()) {
            findings.note(
                Rule::RunLost,
                format!("{run} was started by hand and is not there"),
            );
        }
    }
    starts(account, &rows, &mut findings);
    for (place, told) in &account.told {
        findings.figures.machines += 1;
        let row = rows.get(place.0.as_str()).copied();
        machine::check(account, place, told, row, &mut findings);
    }
    for row in &account.rows {
        run(account, row, &mut findings);
    }
    for kill in account.kills.iter().filter(|kill| kill.accepted) {
        landed(account, &kill.run, &mut findings);
    }
    for left in &account.left {
        findings.note(Rule::StillGoing, left.clone());
    }
    for disagreement in &account.disagreements {
        findings.note(Rule::Disagreement, disagreement.clone());
    }
    (findings.figures, findings.violations)
}

/// No command runs that nobody asked for, or still. How often it may have run, the machine's attempts tell.
fn starts(account: &Account, rows: &BTreeMap<&str, &Row>, findings: &mut Findings) {
    for trace in &account.traces {
        let place = (trace.run.clone(), trace.machine.clone());
        let begins = rows.get(trace.run.as_str()).is_some_and(|row| began(row));
        let is_machine = trace.machine == "?" || account.told.contains_key(&place);
        if !begins || !is_machine {
            let detail = format!(
                "process {} of {} on {}",
                trace.pid, trace.run, trace.machine
            );
            findings.note(Rule::StartedUnasked, detail);
        }
        if account.alive.contains(&trace.pid) {
            let detail = format!(
                "process {} of {} on {} lives, whose machine is {}",
                trace.pid,
                trace.run,
                trace.machine,
                account
                    .told
                    .get(&place)
                    .map_or("not there", |told| told.state.label()),
            );
            findings.note(Rule::StillGoing, detail);
        }
    }
}

fn began(row: &Row) -> bool {
    !matches!(
        row.state.outcome(),
        Some(RunOutcome::SkippedOverlap | RunOutcome::Missed { .. })
    )
}

fn run(account: &Account, row: &Row, findings: &mut Findings) {
    if !began(row) {
        return;
    }
    findings.figures.runs += 1;
    let Some(outcome) = row.state.outcome() else {
        findings.note(Rule::StillGoing, format!("{} is {:?}", row.run, row.state));
        return;
    };
    let of_run = account.told.range((row.run.clone(), String::new())..);
    let machines: Vec<&MachineState> = of_run
        .take_while(|((run, _), _)| *run == row.run)
        .map(|(_, told)| &told.state)
        .collect();
    let all_succeeded = !machines.is_empty()
        && machines
            .iter()
            .all(|state| state.outcome().is_some_and(MachineOutcome::is_success));
    let fits = match outcome {
        RunOutcome::Succeeded => all_succeeded,
        RunOutcome::Failed | RunOutcome::TimedOut | RunOutcome::Lost => {
            !machines.is_empty() && !all_succeeded
        }
        // It may have been killed before it had machines.
        RunOutcome::Killed => !all_succeeded,
        _ => false,
    };
    if !fits {
        let labels: Vec<&str> = machines.iter().map(|state| state.label()).collect();
        let detail = format!("{} is {outcome:?} with machines {labels:?}", row.run);
        findings.note(Rule::RunOutcome, detail);
    }
}

/// A kill that the server took ended every machine that had not ended.
fn landed(account: &Account, run: &str, findings: &mut Findings) {
    for ((_, machine), told) in account
        .told
        .range((run.to_owned(), String::new())..)
        .take_while(|((of, _), _)| of == run)
    {
        let place = (run.to_owned(), machine.clone());
        let fits = match told.state.outcome() {
            Some(MachineOutcome::Killed | MachineOutcome::NotAttempted) => true,
            Some(MachineOutcome::Lost | MachineOutcome::StartFailed { .. }) => {
                account.killed_wrappers.contains(&place)
            }
            // It had ended before.
            Some(_) => account
                .traces
                .iter()
                .any(|trace| trace.run == run && trace.machine == *machine && trace.end.is_some()),
            None => false,
        };
        if !fits {
            let detail = format!(
                "{run} on {machine} was to be killed and is {}",
                told.state.label()
            );
            findings.note(Rule::KillLost, detail);
        }
    }
}
