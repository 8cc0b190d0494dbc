//! What the tests of this module are made of.

use super::{Effect, Input, LogEvent, MachineExit, Resolution, Run, RunHead, Speaker, Step};
use crate::job::{
    LaunchWay, Overlap, RunSpec, Timeout, WrapperLogLevel, WrapperProtocol, WrapperSettings,
};
use crate::targeting::{TargetExpr, TargetType};
use saltpeter_protocol::machine::v2::{Exit, Progress, WrapperId};
use saltpeter_protocol::{JobName, MachineId, MachineState, RunCause, RunId, RunState, UnixMillis};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub(super) const T0: UnixMillis = UnixMillis(1_700_000_000_000);

pub(super) fn at(seconds: u64) -> UnixMillis {
    T0 + Duration::from_secs(seconds)
}

pub(super) fn machine(name: &str) -> MachineId {
    MachineId::new(name).unwrap()
}

pub(super) fn names(names: &[&str]) -> Vec<MachineId> {
    names.iter().map(|name| machine(name)).collect()
}

pub(super) fn spec(batch_size: u32) -> RunSpec {
    RunSpec {
        group: "group".to_owned(),
        schedule: None,
        command: "true".to_owned(),
        targets: TargetExpr::parse(TargetType::Glob, "*").unwrap(),
        number_of_targets: None,
        batch_size: NonZeroU32::new(batch_size),
        max_failures: None,
        retry: None,
        timeout: Timeout::After(Duration::from_secs(100)),
        cwd: None,
        user: None,
        env: BTreeMap::new(),
        env_marks: BTreeMap::new(),
        secrets: BTreeMap::new(),
        overlap: Overlap::Skip,
        launch: LaunchWay::Wrapper,
        wrapper: WrapperSettings {
            path: "saltpeter-wrapper".to_owned(),
            protocol: WrapperProtocol::Auto,
            loglevel: WrapperLogLevel::Normal,
            logdir: "/var/log/sp_wrapper".to_owned(),
            lockfile: None,
        },
        server_host: None,
    }
}

pub(super) fn head(state: RunState, batch_size: u32) -> RunHead {
    let job = JobName::new("job").unwrap();
    RunHead {
        id: RunId::compose(&job, T0, 1),
        job,
        cause: RunCause::Schedule { instant: T0 },
        created: T0,
        spec: Arc::new(spec(batch_size)),
        state,
        kill: None,
        stopped: None,
        only: None,
        reconnect_grace: Duration::from_mins(10),
    }
}

pub(super) fn resolving(batch_size: u32) -> Run {
    Run::new(head(RunState::Resolving, batch_size), BTreeMap::new())
}

/// A run whose machines were found at `T0`.
pub(super) fn resolved(machines: &[&str], batch_size: u32) -> Run {
    let mut run = resolving(batch_size);
    let resolution = Resolution {
        machines: names(machines),
        ..Resolution::default()
    };
    run.apply(Input::Resolved(resolution), T0).unwrap();
    run
}

pub(super) fn v2(id: u64) -> Speaker {
    Speaker::V2(WrapperId(id))
}

pub(super) const STARTED: Progress = Progress::Started { pid: 7, at: T0 };

pub(super) fn hello(name: &str, speaker: Speaker, progress: Progress) -> Input {
    Input::Hello {
        machine: machine(name),
        speaker,
        progress,
    }
}

pub(super) fn started(name: &str) -> Input {
    Input::Started {
        machine: machine(name),
        pid: Some(7),
        at: T0,
    }
}

pub(super) fn exited(name: &str, code: i32) -> Input {
    Input::Ended {
        machine: machine(name),
        exit: MachineExit::V2(Exit::Exited { code }),
    }
}

pub(super) fn v1_exit(name: &str, retcode: i32) -> Input {
    Input::Ended {
        machine: machine(name),
        exit: MachineExit::V1 { retcode },
    }
}

pub(super) fn kill(name: Option<&str>) -> Input {
    Input::Kill {
        machine: name.map(machine),
        by: "op".to_owned(),
    }
}

/// A run on machine `a`, whose wrapper 1 has started the command at `T0`.
pub(super) fn running() -> Run {
    let mut run = resolved(&["a"], 0);
    run.apply(hello("a", v2(1), Progress::New), T0).unwrap();
    run.apply(started("a"), T0).unwrap();
    run
}

pub(super) fn state<'a>(run: &'a Run, name: &str) -> &'a MachineState {
    &run.machines()[name].state
}

/// The machines that `effects` launch.
pub(super) fn launches(effects: &[Effect]) -> Vec<MachineId> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Launch(machines) => Some(machines.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

/// A run whose machines were found at `T0`, of a job that `change` has set up.
pub(super) fn resolved_with(machines: &[&str], change: impl FnOnce(&mut RunSpec)) -> Run {
    let mut head = head(RunState::Resolving, 0);
    let mut spec = (*head.spec).clone();
    change(&mut spec);
    head.spec = Arc::new(spec);
    let mut run = Run::new(head, BTreeMap::new());
    let resolution = Resolution {
        machines: names(machines),
        ..Resolution::default()
    };
    run.apply(Input::Resolved(resolution), T0).unwrap();
    run
}

/// Lets the wrapper `id` of a machine that was launched start the command and end it with `code`.
pub(super) fn run_through(run: &mut Run, name: &str, id: u64, code: i32, now: UnixMillis) -> Step {
    run.apply(hello(name, v2(id), Progress::New), now).unwrap();
    run.apply(started(name), now).unwrap();
    run.apply(exited(name, code), now).unwrap()
}

pub(super) fn logged(step: &Step) -> Vec<&LogEvent> {
    step.effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log(entry) => Some(&entry.event),
            _ => None,
        })
        .collect()
}

pub(super) fn launched(step: &Step) -> Vec<&str> {
    step.effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Launch(machines) => Some(machines.iter().map(MachineId::as_str)),
            _ => None,
        })
        .flatten()
        .collect()
}
