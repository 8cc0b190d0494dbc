//! A command from its start to the end of its output and, where it was to be ended, of its tree.

use super::cgroup::Cgroup;
use super::pipes::Pipes;
use super::start::Started;
use super::tree::{self, Struck};
use crate::core::kill::{Cause, Killer, Strike};
use crate::lock::Lock;
use crate::log::Log;
use rustix::process::{Pid, Signal, WaitStatus};
use saltpeter_protocol::launch::TimeLimit;
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v2::Exit;
use std::time::{Duration, Instant};

/// After the shell's end its output is read to the end of the pipes; daemons that it left behind hold
/// them open, so this much silence is an end as well.
const SILENCE_AFTER_END: Duration = Duration::from_secs(2);
/// How often the tree is looked at while its end is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See the module.
pub(crate) struct Running {
    shell: Pid,
    pipes: Pipes,
    cgroup: Option<Cgroup>,
    killer: Killer,
    /// How the shell ended, and when its output was last heard of since.
    ended: Option<(Exit, Instant)>,
    /// When to look whether anything of the tree still lives; `None` when nothing does, or nobody asks.
    look_at: Option<Instant>,
    /// Given up with the command, however long its result waits for the server.
    _overlap: Option<Lock>,
}

impl Running {
    pub(crate) fn new(
        started: Started,
        limit: Option<TimeLimit>,
        overlap: Option<Lock>,
        now: Instant,
    ) -> Self {
        Self {
            shell: started.shell,
            pipes: started.pipes,
            cgroup: started.cgroup,
            killer: Killer::new(limit, now),
            ended: None,
            look_at: None,
            _overlap: overlap,
        }
    }

    pub(crate) fn shell(&self) -> Pid {
        self.shell
    }

    /// Whether there may be more output.
    pub(crate) fn has_output(&self) -> bool {
        !self.pipes.ended()
    }

    /// Reads output; `None` at its end. Nothing is lost when the future is dropped before it is ready.
    pub(crate) async fn read(&mut self, into: &mut [u8]) -> Option<(Stream, usize)> {
        self.pipes.read(into).await
    }

    /// Output was read.
    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some((_, heard_at)) = &mut self.ended {
            *heard_at = now;
        }
    }

    /// The shell has been reaped.
    pub(crate) fn shell_ended(&mut self, status: WaitStatus, now: Instant) -> Exit {
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (_, Some(signal)) => Exit::Signalled { signal },
            (code, None) => Exit::Exited {
                code: code.unwrap_or_default(),
            },
        };
        self.ended = Some((exit, now));
        exit
    }

    /// Begins to end the command.
    pub(crate) fn end(&mut self, cause: Cause, now: Instant, log: &Log) {
        if let Some(strike) = self.killer.end(cause, now) {
            self.strike(strike, now, log);
        }
    }

    /// Does what is due to end the command.
    pub(crate) fn tick(&mut self, now: Instant, log: &Log) {
        if let Some(strike) = self.killer.tick(now) {
            self.strike(strike, now, log);
        }
    }

    fn strike(&mut self, strike: Strike, now: Instant, log: &Log) {
        // A strike that is repeated must not put off the look.
        self.look_at.get_or_insert(now + LOOK_EVERY);
        let cause = self.killer.cause();
        match strike {
            Strike::Terminate => {
                log.event(format_args!("SIGTERM to the command: {cause:?}"));
                let struck = self.struck();
                struck.send(Signal::TERM);
                // A stopped process takes the first only after the second.
                struck.send(Signal::CONT);
            }
            Strike::Kill => {
                log.debug(format_args!("SIGKILL to the command: {cause:?}"));
                if let Some(cgroup) = &self.cgroup {
                    cgroup.kill();
                }
                self.struck().send(Signal::KILL);
            }
            Strike::GiveUp => {
                log.event("something of the command outlives SIGKILL");
                self.look_at = None;
            }
        }
    }

    /// What there is of the command. Also with a control group: what was moved out of it is still below us.
    fn struck(&self) -> Struck {
        let group = self.ended.is_none().then_some(self.shell);
        let inside = self.cgroup.as_ref().map(Cgroup::processes);
        Struck::find(group, inside.unwrap_or_default())
    }

    fn any_living(&self) -> bool {
        tree::any_living() || self.cgroup.as_ref().is_some_and(Cgroup::any_living)
    }

    /// How the command ended, once its shell has ended, its output is read, and, if it was to be
    /// ended, nothing of it lives. `reading`: its output is being read.
    pub(crate) fn over(&mut self, now: Instant, reading: bool, log: &Log) -> Option<Exit> {
        let ending = self.killer.cause().is_some() && !self.killer.gave_up();
        if ending && self.look_at.is_some_and(|at| now >= at) {
            self.look_at = self.any_living().then_some(now + LOOK_EVERY);
        }
        let (exit, heard_at) = self.ended.as_mut()?;
        if ending && self.look_at.is_some() {
            return None;
        }
        if !self.pipes.ended() {
            if !reading || self.pipes.waiting() {
                *heard_at = now;
            }
            if now < *heard_at + SILENCE_AFTER_END {
                return None;
            }
            log.event("what the command left behind holds its output open; read no further");
        }
        Some(self.killer.verdict(*exit))
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let silence = match self.ended {
            Some((_, heard_at)) if self.has_output() => Some(heard_at + SILENCE_AFTER_END),
            _ => None,
        };
        [self.killer.wake(), self.look_at, silence]
            .into_iter()
            .flatten()
            .min()
    }
}
