//! States as a shape and a word, never as a colour alone.

use leptos::prelude::*;
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome, RunState};

/// The look of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// Ended badly by itself.
    Failed,
    /// Ran out of time.
    TimedOut,
    /// Not heard of any more.
    Lost,
    /// Ended by a person.
    Killed,
    /// Going on.
    Running,
    /// About to go on.
    Waiting,
    /// Ended well.
    Succeeded,
    /// Held back by maintenance.
    Maintenance,
    /// Not started, and nothing is wrong with it.
    Skipped,
    /// There has been none.
    Never,
}

impl Mark {
    /// Of a run.
    pub(crate) fn of_run(state: &RunState) -> Self {
        match state {
            RunState::Queued => Self::Waiting,
            RunState::Resolving | RunState::Running => Self::Running,
            RunState::Ended { outcome, .. } => match outcome {
                RunOutcome::Succeeded => Self::Succeeded,
                RunOutcome::Failed | RunOutcome::NoTargets | RunOutcome::ResolveFailed { .. } => {
                    Self::Failed
                }
                RunOutcome::TimedOut => Self::TimedOut,
                RunOutcome::Killed => Self::Killed,
                RunOutcome::Lost => Self::Lost,
                RunOutcome::Maintenance => Self::Maintenance,
                RunOutcome::SkippedOverlap | RunOutcome::Missed { .. } => Self::Skipped,
            },
        }
    }

    /// Of a machine.
    pub(crate) fn of_machine(state: &MachineState) -> Self {
        match state {
            MachineState::Waiting | MachineState::Retrying { .. } => Self::Waiting,
            MachineState::Starting { .. } | MachineState::Running { .. } => Self::Running,
            MachineState::LostContact { .. } => Self::Lost,
            MachineState::Ended { outcome, .. } => match outcome {
                MachineOutcome::Succeeded => Self::Succeeded,
                MachineOutcome::Failed { .. }
                | MachineOutcome::StartFailed { .. }
                | MachineOutcome::Unreachable { .. } => Self::Failed,
                MachineOutcome::TimedOut => Self::TimedOut,
                MachineOutcome::Killed => Self::Killed,
                MachineOutcome::Lost => Self::Lost,
                MachineOutcome::Maintenance => Self::Maintenance,
                MachineOutcome::NotAttempted => Self::Skipped,
            },
        }
    }

    /// Of a job: what it is doing, or how its newest run ended.
    pub(crate) fn of_job(job: &JobRow) -> Self {
        job.active
            .last()
            .or(job.last.as_ref())
            .map_or(Self::Never, |run| Self::of_run(&run.state))
    }

    /// Its shape.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Running => "◐",
            Self::Succeeded => "✓",
            Self::Failed => "✕",
            Self::TimedOut => "⏱\u{fe0e}",
            Self::Killed => "⊘",
            Self::Lost => "?",
            Self::Maintenance => "⚒\u{fe0e}",
            Self::Waiting => "◌",
            Self::Skipped => "↷",
            Self::Never => "–",
        }
    }

    /// Its name in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Running => "mark running",
            Self::Succeeded => "mark succeeded",
            Self::Failed => "mark failed",
            Self::TimedOut => "mark timed-out",
            Self::Killed => "mark killed",
            Self::Lost => "mark lost",
            Self::Maintenance => "mark maintenance",
            Self::Waiting => "mark waiting",
            Self::Skipped => "mark skipped",
            Self::Never => "mark never",
        }
    }

    /// Whether somebody should look at it.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Lost)
    }
}

/// Whether a job's newest run did not end well.
pub(crate) fn last_failed(job: &JobRow) -> bool {
    job.last
        .as_ref()
        .is_some_and(|run| Mark::of_run(&run.state).is_bad())
}

/// A run's state as a word.
pub(crate) fn run_word(state: &RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Resolving => "resolving targets",
        RunState::Running => "running",
        RunState::Ended { outcome, .. } => outcome.label(),
    }
}

/// A job's state as a word.
pub(crate) fn job_word(job: &JobRow) -> &'static str {
    job.active
        .last()
        .or(job.last.as_ref())
        .map_or("never run", |run| run_word(&run.state))
}

/// The shape of a state. The word stands beside it, or in `title`.
#[component]
pub(crate) fn MarkIcon(
    /// The state's look.
    #[prop(into)]
    mark: Signal<Mark>,
    /// The word, where it does not stand beside the shape.
    #[prop(optional, into)]
    title: Option<Signal<&'static str>>,
) -> impl IntoView {
    view! {
        <span
            class=move || mark.get().class()
            title=move || title.map(|title| title.get())
            aria-label=move || title.map(|title| title.get())
            role=title.map(|_| "img")
            aria-hidden=title.is_none().then_some("true")
        >
            {move || mark.get().symbol()}
        </span>
    }
}
