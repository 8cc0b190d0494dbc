//! Commands that Salt itself runs, without a wrapper: one call, whose returns are the results. Its number is known
//! before it is made, so that it is found again after a restart and never made twice.

use super::SaltExecutor;
use super::outcome;
use crate::executor::{Before, Direct, DirectNews};
use crate::salt::{Call, Called, Heard, Jid, SaltError, Target};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use saltpeter_protocol::MachineId;
use saltpeter_protocol::launch::CommandSpec;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How much longer than its time limit a command's return may take.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a command without a limit is listened to.
const LONGEST: Duration = Duration::from_hours(24 * 7);
/// How often machines are asked whether they still run the command.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How soon they are asked again when one has not answered.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How long they may take to answer that.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// So many questions without an answer, one after the other, mean that a machine is away.
const AWAY_AFTER: u32 = 2;
/// How long a command may take to end after it was asked to.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// For how long the call is tried while Salt is away.
const AWAY_LIMIT: Duration = Duration::from_secs(20);
/// For how long a call of before is looked for while Salt is away.
const FIND_LIMIT: Duration = Duration::from_mins(10);
/// Pause between two tries.
const AWAY_PAUSE: Duration = Duration::from_secs(2);

/// What a question about machines has found out.
enum Found {
    /// These still run the command, or are at it.
    Asked {
        /// Those that have answered.
        answered: BTreeSet<MachineId>,
        /// Those that have not.
        silent: Vec<MachineId>,
    },
    /// The command was told to end there, and had the time for it.
    Killed(MachineId),
}

impl SaltExecutor {
    /// Runs the command of `order`, or takes it up again, to its end.
    pub(super) async fn run_direct(&self, mut order: Direct, news: mpsc::Sender<DirectNews>) {
        let jid = Jid::numbered(order.made, order.number);
        let called = match self.take_up(&order, &jid).await {
            Ok(Some(called)) => called,
            // Nobody knows what became of it: its machines' silence will tell.
            Ok(None) => return,
            Err(message) => {
                for machine in order.machines {
                    tell(&news, DirectNews::Failed(machine, message.clone())).await;
                }
                return;
            }
        };
        tell(&news, DirectNews::Taken).await;
        self.follow(&mut order, &jid, called, &news).await;
    }

    /// Makes the call, or finds it. An error is a sentence for the operator: nothing was called then.
    async fn take_up(&self, order: &Direct, jid: &Jid) -> Result<Option<Called>, String> {
        let wait = limit(&order.command);
        if order.before != Before::New {
            let found = self.find(jid, wait, FIND_LIMIT).await;
            if found.is_some() || order.before == Before::Called {
                return Ok(found);
            }
        }
        let until = Instant::now() + AWAY_LIMIT;
        loop {
            let call = Call {
                target: Target::list(&order.machines),
                function: "cmd.run_all",
                args: Vec::new(),
                kwargs: arguments(&order.command),
                jid: Some(jid.clone()),
                wait,
            };
            match self.salt.call(call).await {
                Ok(called) => return Ok(Some(called)),
                Err(SaltError::Away(_)) if Instant::now() + AWAY_PAUSE < until => {
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                Err(SaltError::Away(message) | SaltError::Refused(message)) => return Err(message),
                Err(SaltError::Unsure(message)) => {
                    let found = self.find(jid, wait, AWAY_LIMIT).await;
                    return found.map(Some).ok_or_else(|| {
                        format!("{message} Whether the command was started is not known; job {jid} of Salt would be it.")
                    });
                }
            }
        }
    }

    /// Looks for a call that may have been made. `None`: Salt does not know it, or cannot be asked.
    async fn find(&self, jid: &Jid, wait: Duration, limit: Duration) -> Option<Called> {
        let until = Instant::now() + limit;
        loop {
            match self.salt.hear(jid, wait).await {
                Ok(found) => return found,
                Err(SaltError::Refused(message)) => {
                    tracing::warn!(%jid, "a job of Salt cannot be looked up: {message}");
                    return None;
                }
                Err(_) if Instant::now() + AWAY_PAUSE < until => {
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(%jid, "a job of Salt cannot be looked up: {error}");
                    return None;
                }
            }
        }
    }

    /// Hears the returns, asks now and then who is still there, and carries kills out.
    async fn follow(
        &self,
        order: &mut Direct,
        jid: &Jid,
        mut called: Called,
        news: &mpsc::Sender<DirectNews>,
    ) {
        let mut going: BTreeSet<MachineId> = order.machines.iter().cloned().collect();
        let known: BTreeSet<&MachineId> = called.expected.iter().collect();
        for machine in going.clone() {
            if !known.contains(&machine) {
                going.remove(&machine);
                tell(
                    news,
                    DirectNews::Failed(machine, outcome::NOT_KNOWN.to_owned()),
                )
                .await;
            }
        }
        let mut killed = BTreeSet::new();
        let mut misses: BTreeMap<MachineId, u32> = BTreeMap::new();
        let mut questions = FuturesUnordered::new();
        let mut ask = tokio::time::interval_at(Instant::now() + ASK_EVERY, ASK_EVERY);
        while !going.is_empty() {
            tokio::select! {
                heard = called.returns.recv() => match heard {
                    None => break,
                    Some(Heard::Silent(machine)) => if going.remove(&machine) {
                        tell(news, DirectNews::Unreachable(machine, "Target did not respond.".to_owned())).await;
                    },
                    Some(Heard::Returned(returned)) => if going.remove(&returned.machine) {
                        let by_us = killed.contains(&returned.machine);
                        tell(news, outcome::read(returned, by_us, &order.command)).await;
                    },
                },
                Some(machine) = order.kills.recv() => if going.contains(&machine) && killed.insert(machine.clone()) {
                    questions.push(self.kill(jid, machine).left_future());
                },
                _ = ask.tick() => {
                    questions.push(self.ask(jid, going.clone()).right_future());
                }
                Some(found) = questions.next(), if !questions.is_empty() => match found {
                    Found::Killed(machine) => if going.remove(&machine) {
                        tell(news, outcome::killed(machine)).await;
                    },
                    Found::Asked { answered, silent } => {
                        misses.retain(|machine, _| !answered.contains(machine));
                        if silent.iter().any(|machine| going.contains(machine)) {
                            ask.reset_after(ASK_AGAIN);
                        }
                        for machine in silent {
                            let missed = misses.entry(machine.clone()).or_default();
                            *missed += 1;
                            if *missed >= AWAY_AFTER && going.remove(&machine) {
                                tell(news, DirectNews::Unreachable(machine, "The machine stopped responding while Salt ran the command.".to_owned())).await;
                            }
                        }
                    }
                },
            }
        }
        for machine in going {
            let message = "Nothing more was heard of the command that Salt ran.".to_owned();
            tell(news, DirectNews::Unreachable(machine, message)).await;
        }
    }

    /// Asks machines whether they are there, and how the job is.
    async fn ask(&self, jid: &Jid, machines: BTreeSet<MachineId>) -> Found {
        let mut answered = BTreeSet::new();
        let mut silent = Vec::new();
        if let Ok(mut called) = self.job_call("saltutil.find_job", jid, &machines).await {
            while let Some(heard) = called.returns.recv().await {
                match heard {
                    Heard::Returned(returned) => {
                        answered.insert(returned.machine);
                    }
                    Heard::Silent(machine) => silent.push(machine),
                }
            }
        }
        Found::Asked { answered, silent }
    }

    /// Ends the job on a machine: first so that the command may end by itself, then at once.
    async fn kill(&self, jid: &Jid, machine: MachineId) -> Found {
        let one = BTreeSet::from([machine.clone()]);
        for function in ["saltutil.term_job", "saltutil.kill_job"] {
            match self.job_call(function, jid, &one).await {
                Ok(mut called) => while called.returns.recv().await.is_some() {},
                Err(error) => tracing::warn!(%jid, %machine, "a command cannot be killed: {error}"),
            }
            tokio::time::sleep(KILL_GRACE / 2).await;
        }
        Found::Killed(machine)
    }

    async fn job_call(
        &self,
        function: &'static str,
        jid: &Jid,
        machines: &BTreeSet<MachineId>,
    ) -> Result<Called, SaltError> {
        let call = Call {
            target: Target::list(machines),
            function,
            args: vec![jid.0.clone().into()],
            kwargs: Map::new(),
            jid: None,
            wait: ANSWER_WITHIN,
        };
        self.salt.call(call).await
    }
}

/// How long the returns may take.
fn limit(command: &CommandSpec) -> Duration {
    command
        .time_limit
        .map_or(LONGEST, |limit| limit.hard + MARGIN)
}

fn arguments(command: &CommandSpec) -> Map<String, Value> {
    let mut kwargs = Map::new();
    let mut add = |name: &str, value: Value| {
        kwargs.insert(name.to_owned(), value);
    };
    add("cmd", command.command.clone().into());
    add("env", json!(command.env));
    add("python_shell", true.into());
    add("shell", "/bin/sh".into());
    // What it means is decided here; minions need not write it to their logs as an error.
    add("ignore_retcode", true.into());
    add("output_loglevel", "quiet".into());
    if let Some(cwd) = &command.cwd {
        add("cwd", cwd.clone().into());
    }
    if let Some(user) = &command.user {
        add("runas", user.clone().into());
    }
    if let Some(limit) = &command.time_limit {
        add("timeout", limit.soft.as_secs().into());
    }
    kwargs
}

async fn tell(news: &mpsc::Sender<DirectNews>, what: DirectNews) {
    // Nobody listens any more when the server stops.
    let _ = news.send(what).await;
}
