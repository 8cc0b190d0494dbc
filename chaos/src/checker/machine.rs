//! One machine of one run: its outcome is what its command did, and its output what the command wrote.

use super::{Account, Findings, JobFacts, Place, Row, Rule, Told};
use crate::content::{Channel, Content};
use crate::ledger::{End, Part, Trace};
use saltpeter_protocol::MachineOutcome;

/// How much earlier than its time limit a command may seem to have been ended, in milliseconds: its own clock begins later.
const LIMIT_SLACK: i64 = 200;

/// What is known of the machine besides what is told.
struct Truth<'a> {
    job: &'a JobFacts,
    /// The processes; empty when the command never ran.
    traces: Vec<&'a Trace>,
    wrapper_killed: bool,
    /// Somebody asked, or may have asked, for its end.
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
    let Some(outcome) = told.state.outcome() else {
        let detail = format!("{run} on {machine} is {}", told.state.label());
        findings.note(Rule::StillGoing, detail);
        return;
    };
    let shown = account.shown.get(place).cloned().unwrap_or_default();
    let truth = Truth {
        job,
        traces: account
            .traces
            .iter()
            .filter(|trace| trace.run == *run && trace.machine == *machine)
            .collect(),
        wrapper_killed: account.killed_wrappers.contains(place),
        kill_asked: job.replaces || account.kills.iter().any(|kill| kill.run == *run),
        shown: shown.bytes,
    };
    if let Err(problem) = truth.explains(outcome) {
        let detail = format!("{run} on {machine} is told as {outcome}, but {problem}");
        findings.note(Rule::Outcome, detail);
    }
    // The one correction that there is.
    let corrected = |was: &MachineOutcome| {
        matches!(
            was,
            MachineOutcome::Lost | MachineOutcome::StartFailed { .. }
        )
    };
    if let Some(was) = shown.outcome
        && was != *outcome
        && !corrected(&was)
    {
        let detail = format!("{run} on {machine} was {was}, and is {outcome}");
        findings.note(Rule::ShownThenGone, detail);
    }
    truth.compare(place, told, findings);
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
    fn compare(&self, (run, machine): &Place, told: &Told, findings: &mut Findings) {
        let mut total = 0;
        for channel in Channel::BOTH {
            let bytes = told.output.get(&channel).map_or(&[][..], Vec::as_slice);
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
                    "{run} on {machine}: {length} bytes of {word} where the command wrote {surely} and perhaps {perhaps} more"
                );
                findings.note(Rule::Output, detail);
            }
            if let Some(at) = Content::new(run, machine, channel).first_wrong(bytes) {
                let detail =
                    format!("{run} on {machine}: byte {at} of {length} of {word} is wrong");
                findings.note(Rule::Output, detail);
            }
        }
        if total < self.shown {
            let detail = format!(
                "{run} on {machine}: {total} bytes, and {} were shown",
                self.shown
            );
            findings.note(Rule::ShownThenGone, detail);
        }
    }
}
