//! What a person can set going, and how the page answers: at once that it is on its way, then by the
//! server's state, or with the reason why not.

use crate::client;
use crate::components::confirm::{Confirm, Question};
use crate::components::toast::{Toast, Toasts};
use crate::live::Live;
use crate::routes;
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::api::{JobDetail, TargetRow, TargetVerdict};
use saltpeter_protocol::{JobName, MachineId, RunId};
use std::collections::BTreeSet;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Run a job now.
    Start(JobName),
    /// Run again on the machines where a run did not succeed.
    Again(RunId),
    /// Kill every run of a job.
    KillJob(JobName),
    /// Kill a run.
    KillRun(RunId),
    /// Kill one machine of a run.
    KillMachine(RunId, MachineId),
    /// Start no more by the schedule.
    Pause(JobName),
    /// Start by the schedule again.
    Resume(JobName),
    /// Turn global maintenance off.
    EndMaintenance,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// A run was written down.
    Started(RunId),
    /// The server has taken it on; its state shows the rest.
    Asked,
}

impl Action {
    fn failure(&self) -> String {
        match self {
            Self::Start(job) => format!("{job} was not started"),
            Self::Again(run) => format!("{run} was not run again"),
            Self::KillJob(job) => format!("{job} was not killed"),
            Self::KillRun(run) => format!("{run} was not killed"),
            Self::KillMachine(run, machine) => format!("{machine} of {run} was not killed"),
            Self::Pause(job) => format!("{job} was not paused"),
            Self::Resume(job) => format!("{job} was not resumed"),
            Self::EndMaintenance => "Maintenance is still on".to_owned(),
        }
    }
}

/// Sets actions going. Components find it in the context.
#[derive(Clone, Copy)]
pub(crate) struct Actions {
    live: Live,
    toasts: Toasts,
    confirm: Confirm,
    pending: RwSignal<BTreeSet<Action>>,
}

impl Actions {
    /// With where to say how it went, and where to ask first.
    pub(crate) fn new(live: Live, toasts: Toasts, confirm: Confirm) -> Self {
        Self {
            live,
            toasts,
            confirm,
            pending: RwSignal::new(BTreeSet::new()),
        }
    }

    /// Whether the server has not answered yet.
    pub(crate) fn is_pending(&self, action: &Action) -> bool {
        self.pending.with(|pending| pending.contains(action))
    }

    /// Does it, without a question.
    pub(crate) fn perform(self, action: Action) {
        if self.pending.with_untracked(|set| set.contains(&action)) {
            return;
        }
        self.pending.update(|set| {
            set.insert(action.clone());
        });
        spawn_local(async move {
            let result = client::perform(action.clone()).await;
            self.settle(&action);
            match result {
                Ok(Done::Started(run)) => self.toasts.show(Toast::good(
                    "Started",
                    Some((run.to_string(), routes::run_page(&run))),
                )),
                Ok(Done::Asked) => {}
                Err(error) => self.toasts.show(Toast::bad(action.failure(), error)),
            }
        });
    }

    fn settle(self, action: &Action) {
        self.pending.update(|set| {
            set.remove(action);
        });
    }

    /// Runs a job now; asks first when many machines would take part.
    pub(crate) fn start(self, job: JobName) {
        let action = Action::Start(job.clone());
        if self.pending.with_untracked(|set| set.contains(&action)) {
            return;
        }
        self.pending.update(|set| {
            set.insert(action.clone());
        });
        spawn_local(async move {
            let detail = client::job(job.clone()).await;
            self.settle(&action);
            let limit =
                untrack(|| self.live.server()).map_or(u32::MAX, |server| server.confirm_above);
            // Whatever is wrong, the attempt itself will say.
            let machines = detail.as_ref().map_or(0, takes_part);
            if machines > limit as usize {
                self.confirm.ask(Question {
                    title: format!("Run {job} now?"),
                    text: format!("It will run on {machines} machines."),
                    answer: "Run now",
                    dangerous: false,
                    yes: Callback::new(move |()| self.perform(action.clone())),
                });
            } else {
                self.perform(action);
            }
        });
    }

    /// Kills after a question.
    pub(crate) fn kill(self, action: Action) {
        let (title, text) = match &action {
            Action::KillRun(run) => (
                format!("Kill {run}?"),
                "Its command is ended on every machine, with all its child processes.".to_owned(),
            ),
            Action::KillMachine(run, machine) => (
                format!("Kill {machine} of {run}?"),
                "The other machines go on.".to_owned(),
            ),
            Action::KillJob(job) => (
                format!("Kill {job}?"),
                "Every run of it is ended, on every machine, with all child processes.".to_owned(),
            ),
            // The others end nothing.
            _ => return self.perform(action),
        };
        self.confirm.ask(Question {
            title,
            text,
            answer: "Kill",
            dangerous: true,
            yes: Callback::new(move |()| self.perform(action.clone())),
        });
    }
}

/// How many machines would take part in a run of the job: of those that match, as many as it takes.
fn takes_part(detail: &JobDetail) -> usize {
    let matching = detail.preview.as_ref().map_or(0, |rows| {
        let included = |row: &&TargetRow| row.verdict == TargetVerdict::Included;
        rows.iter().filter(included).count()
    });
    let most = detail.takes.map_or(usize::MAX, |takes| takes as usize);
    matching.min(most)
}

/// The actions of the page.
pub(crate) fn use_actions() -> Actions {
    // Provided at the root of the application; a component outside of it is a fault in this code.
    use_context().unwrap_or_else(|| Actions::new(Live::new(), Toasts::new(), Confirm::new()))
}
