//! One machine of one run: its attempts are those that its job asks for, the outcome of each is what its command did, and the
//! output what that command wrote.

use super::{Account, Findings, JobFacts, Output, Place, Row, Rule, Told};
use crate::content::{Channel, Content};
use crate::ledger::{End, Part, Trace};
use saltpeter_protocol::MachineOutcome;

/// How much earlier than its time limit a command may seem to have been ended, in milliseconds: its own clock begins later.
const LIMIT_SLACK: i64 = 200;

/// What is known of an attempt besides what is told.
struct Truth<'a> {
    job: &'a JobFacts,
    /// The processes; empty when the command never ran.
    traces: Vec<&'a Trace>,
    wrapper_killed: bool,
    /// Somebody asked, or may have asked, for the machine's end.
    kill_asked: bool,
    /// The most that was shown.
    shown: u64,
}

pub(super) fn check(
    account: &Account,
    place: &Place,
    told: &Told,
    row: Option<&Row>,
    findings: &mut Findings,
) {
    let (run, machine) = place;
    let Some(job) = row.and_then(|row| account.jobs.get(&row.job)) else {
        findings.note(
            Rule::RunLost,
            format!("{run} has machines and is not there"),
        );
        return;
    };
    let Some(last) = told.state.outcome() else {
        let detail = format!("{run} on {machine} is {}", told.state.label());
        findings.note(Rule::StillGoing, detail);
        return;
    };
    findings.figures.retries += told.earlier.len();
    let shown = account.shown.get(place).cloned().unwrap_or_default();
    let kill_asked = job.replaces || account.kills.iter().any(|kill| kill.run == *run);
    let of_machine = account
        .traces
        .iter()
        .filter(|trace| trace.run == *run && trace.machine == *machine);
    let attempts = by_attempt(&told.earlier, of_machine.collect());
    one_after_the_other(place, &attempts, findings);
    if let Err(problem) = as_often_as_asked(job, told, last, kill_asked) {
        findings.note(Rule::Attempts, format!("{run} on {machine}: {problem}"));
    }
    let outcomes: Vec<&MachineOutcome> = told.earlier.iter().chain([last]).collect();
    for (index, (outcome, traces)) in outcomes.iter().zip(attempts).enumerate() {
        let truth = Truth {
            job,
            traces,
            wrapper_killed: account.killed_wrappers.contains(place),
            kill_asked,
            shown: shown.bytes.get(index).copied().unwrap_or_default(),
        };
        let name = format!("{run} on {machine}, attempt {}", index + 1);
        if let Err(problem) = truth.explains(outcome) {
            let detail = format!("{name}, is told as {outcome}, but {problem}");
            findings.note(Rule::Outcome, detail);
        }
        let nothing = Output::new();
        let output = told.outputs.get(index).unwrap_or(&nothing);
        truth.compare(place, &name, output, findings);
    }
    // The one correction that there is.
    let corrected = |was: &MachineOutcome| {
        matches!(
            was,
            MachineOutcome::Lost | MachineOutcome::StartFailed { .. }
        )
    };
    if let Some(was) = shown.outcome
        && was != *last
        && !corrected(&was)
    {
        let detail = format!("{run} on {machine} was {was}, and is {last}");
        findings.note(Rule::ShownThenGone, detail);
    }
    // A kill makes the last of them the machine's outcome.
    if !outcomes
        .iter()
        .copied()
        .zip(&shown.earlier)
        .all(|(is, was)| is == was)
        || shown.earlier.len() > outcomes.len()
    {
        let detail = format!(
            "{run} on {machine} had attempts that ended as {:?}, and has {outcomes:?}",
            shown.earlier
        );
        findings.note(Rule::ShownThenGone, detail);
    }
}

/// The processes of each attempt. One that failed or was too long ran its command, any other that was followed by the next did
/// not; what is left is the last one's.
fn by_attempt<'a>(earlier: &[MachineOutcome], mut traces: Vec<&'a Trace>) -> Vec<Vec<&'a Trace>> {
    traces.sort_by_key(|trace| trace.began);
    let mut attempts: Vec<Vec<&Trace>> = Vec::new();
    for outcome in earlier {
        let ran = matches!(
            outcome,
            MachineOutcome::Failed { .. } | MachineOutcome::TimedOut
        );
        let main = traces.iter().position(|trace| trace.part == Part::Main);
        let main = main.filter(|_| ran).map(|index| traces.remove(index));
        attempts.push(main.into_iter().collect());
    }
    attempts.push(traces);
    attempts
}

/// The command was started once an attempt, and not before that of the attempt before was gone.
fn one_after_the_other((run, machine): &Place, attempts: &[Vec<&Trace>], findings: &mut Findings) {
    let mut before: Option<&Trace> = None;
    for traces in attempts {
        let mut mains = traces.iter().filter(|trace| trace.part == Part::Main);
        let Some(main) = mains.next() else { continue };
        let more = mains.count();
        if more > 0 {
            let times = more + 1;
            let detail = format!("the command of {run} on {machine} was started {times} times");
            findings.note(Rule::StartedTwice, detail);
        }
        let ended = before.and_then(|before| before.end);
        if main.beside.is_some() || ended.is_some_and(|(_, at)| at > main.began) {
            let detail = format!(
                "the command of {run} on {machine} began as process {} while that of the attempt before was there",
                main.pid
            );
            findings.note(Rule::AttemptsAtOnce, detail);
        }
        before = Some(main);
    }
}

/// Whether the machine was tried again where its job asks for that, and nowhere else.
fn as_often_as_asked(
    job: &JobFacts,
    told: &Told,
    last: &MachineOutcome,
    kill_asked: bool,
) -> Result<(), String> {
    let times = told.earlier.len();
    if times > job.retries {
        return Err(format!(
            "it was tried again {times} times, and its job asks for {}",
            job.retries
        ));
    }
    if told.outputs.len() != times + 1 {
        let outputs = told.outputs.len();
        return Err(format!("{} attempts have {outputs} outputs", times + 1));
    }
    let is_final = |outcome: &&MachineOutcome| {
        !matches!(
            outcome,
            MachineOutcome::Failed { .. }
                | MachineOutcome::TimedOut
                | MachineOutcome::StartFailed { .. }
        )
    };
    if let Some(outcome) = told.earlier.iter().find(is_final) {
        return Err(format!("it was tried again although it was {outcome}"));
    }
    let is_failure = matches!(
        last,
        MachineOutcome::Failed { .. } | MachineOutcome::TimedOut
    );
    // Where it counted as lost, or was to be killed, another attempt could run beside it, or nobody wants one.
    if is_failure && times < job.retries && !kill_asked && !told.came_back {
        return Err(format!(
            "it is {last} after {times} of {} further attempts",
            job.retries
        ));
    }
    Ok(())
}

impl Truth<'_> {
    fn main(&self) -> Option<&Trace> {
        let mut traces = self.traces.iter();
        traces.find(|trace| trace.part == Part::Main).copied()
    }

    /// Whether the outcome can be.
    fn explains(&self, outcome: &MachineOutcome) -> Result<(), String> {
        let main = self.main();
        let own = main.and_then(|trace| trace.end.map(|(end, _)| end));
        let did = || match own {
            _ if main.is_none() => "its command did not run".to_owned(),
            None => "its command was ended".to_owned(),
            Some(End::Exit(code)) => format!("its command exited with {code}"),
            Some(End::Signal(signal)) => format!("its command sent itself signal {signal}"),
            Some(End::BrokenPipe) => "nobody read its output".to_owned(),
        };
        let is_so = match outcome {
            MachineOutcome::Succeeded => own == Some(End::Exit(0)),
            MachineOutcome::Failed { code } => match own {
                Some(End::Exit(own)) => own == *code && own != 0,
                Some(End::Signal(signal)) => {
                    *code == 128 + signal && self.job.signal == Some(signal)
                }
                _ => false,
            },
            MachineOutcome::TimedOut => self.job.timeout.is_some_and(|limit| {
                main.is_some_and(|trace| {
                    let lasted = |at: i64| at >= trace.began + limit - LIMIT_SLACK;
                    trace.end.is_none_or(|(_, at)| lasted(at))
                })
            }),
            MachineOutcome::Killed | MachineOutcome::NotAttempted => self.kill_asked,
            MachineOutcome::Lost
            | MachineOutcome::StartFailed { .. }
            | MachineOutcome::Unreachable { .. } => {
                if !self.wrapper_killed {
                    let message = outcome.message().unwrap_or_default();
                    return Err(format!(
                        "its wrapper was not killed and {} ({message})",
                        did()
                    ));
                }
                true
            }
            MachineOutcome::Maintenance => false,
        };
        if is_so { Ok(()) } else { Err(did()) }
    }

    /// Output is a beginning of what the command wrote, and has everything that reached the pipe; where the wrapper was
    /// killed, everything that was shown.
    fn compare(
        &self,
        (run, machine): &Place,
        name: &str,
        output: &Output,
        findings: &mut Findings,
    ) {
        let mut total = 0;
        for channel in Channel::BOTH {
            let bytes = output.get(&channel).map_or(&[][..], Vec::as_slice);
            let length = bytes.len() as u64;
            total += length;
            findings.figures.bytes += length;
            let (mut surely, mut perhaps) = (0, 0);
            for written in self
                .traces
                .iter()
                .filter_map(|trace| trace.written.get(&channel))
            {
                surely += written.surely;
                perhaps += written.perhaps;
            }
            let least = if self.wrapper_killed { 0 } else { surely };
            let word = channel.word();
            if length < least || length > surely + perhaps {
                let detail = format!(
                    "{name}: {length} bytes of {word} where the command wrote {surely} and perhaps {perhaps} more"
                );
                findings.note(Rule::Output, detail);
            }
            if let Some(at) = Content::new(run, machine, channel).first_wrong(bytes) {
                let detail = format!("{name}: byte {at} of {length} of {word} is wrong");
                findings.note(Rule::Output, detail);
            }
        }
        if total < self.shown {
            let detail = format!("{name}: {total} bytes, and {} were shown", self.shown);
            findings.note(Rule::ShownThenGone, detail);
        }
    }
}
