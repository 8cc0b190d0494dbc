//! The checker can fail: each test makes up one thing that is wrong.

use super::*;
use crate::content::Content;
use crate::ledger::{End, Part, Written};
use saltpeter_protocol::UnixMillis;

const RUN: &str = "j_1";

fn at(ms: i64) -> UnixMillis {
    UnixMillis(ms)
}

fn ended(outcome: RunOutcome) -> RunState {
    RunState::Ended { at: at(9), outcome }
}

fn machine(outcome: MachineOutcome) -> MachineState {
    MachineState::Ended {
        since: Some(at(1)),
        at: at(9),
        outcome,
    }
}

/// A job with one run on one machine, which wrote a hundred bytes and exited 0.
fn right() -> Account {
    let trace = Trace {
        run: RUN.to_owned(),
        machine: "m1".to_owned(),
        part: Part::Main,
        pid: 7,
        began: 10_000,
        written: [(
            Channel::Out,
            Written {
                surely: 100,
                perhaps: 0,
            },
        )]
        .into(),
        end: Some((End::Exit(0), 11_000)),
        beside: None,
    };
    let told = Told {
        state: machine(MachineOutcome::Succeeded),
        earlier: Vec::new(),
        came_back: false,
        outputs: vec![output(100)],
    };
    Account {
        jobs: [(
            "j".to_owned(),
            JobFacts {
                must: [1000].into(),
                may: [0, 1000, 2000].into(),
                ..JobFacts::default()
            },
        )]
        .into(),
        traces: vec![trace],
        rows: vec![Row {
            run: RUN.to_owned(),
            job: "j".to_owned(),
            instant: Some(1000),
            state: ended(RunOutcome::Succeeded),
        }],
        told: [(place(), told)].into(),
        ..Account::default()
    }
}

fn output(bytes: usize) -> Output {
    let content = Content::new(RUN, "m1", Channel::Out);
    [(Channel::Out, content.bytes(0, bytes))].into()
}

/// The same with a first attempt that failed after ten bytes.
fn tried_again() -> Account {
    let mut account = right();
    let mut first = account.traces[0].clone();
    (first.pid, first.began, first.end) = (6, 5_000, Some((End::Exit(41), 6_000)));
    first.written.get_mut(&Channel::Out).unwrap().surely = 10;
    // In whichever order the directory has them.
    account.traces.push(first);
    account.jobs.get_mut("j").unwrap().retries = 1;
    let told = told(&mut account);
    told.earlier.push(MachineOutcome::Failed { code: 41 });
    told.outputs.insert(0, output(10));
    account
}

fn place() -> Place {
    (RUN.to_owned(), "m1".to_owned())
}

fn told(account: &mut Account) -> &mut Told {
    account.told.get_mut(&place()).unwrap()
}

fn tell(account: &mut Account, outcome: MachineOutcome, of_run: RunOutcome) {
    told(account).state = machine(outcome);
    account.rows[0].state = ended(of_run);
}

fn broken(account: &Account) -> Vec<Rule> {
    let mut rules: Vec<Rule> = check(account).1.iter().map(|found| found.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn what_is_right_is_found_right_and_counted() {
    let (figures, violations) = check(&right());
    assert_eq!(violations, []);
    let expected = Figures {
        expected: 1,
        started: 1,
        runs: 1,
        machines: 1,
        bytes: 100,
        ..Figures::default()
    };
    assert_eq!(figures, expected);
}

#[test]
fn instants_that_are_missing_doubled_or_made_up_are_found() {
    let mut account = right();
    account.jobs.get_mut("j").unwrap().must.insert(2000);
    assert_eq!(broken(&account), [Rule::InstantMissing]);

    let mut account = right();
    let missed = RunOutcome::Missed {
        reason: MissedReason::Late,
    };
    let mut second = account.rows[0].clone();
    (second.run, second.state) = ("j_2".to_owned(), ended(missed));
    account.rows.push(second.clone());
    assert_eq!(broken(&account), [Rule::InstantTwice]);

    let mut account = right();
    second.instant = Some(2000);
    account.rows.push(second.clone());
    assert_eq!(broken(&account), [], "it may be");
    second.instant = Some(1500);
    account.rows.push(second);
    assert_eq!(broken(&account), [Rule::InstantExtra]);
}

#[test]
fn commands_that_run_twice_or_unasked_are_found() {
    let mut account = right();
    let mut again = account.traces[0].clone();
    (again.pid, again.written) = (8, BTreeMap::new());
    account.traces.push(again);
    assert_eq!(broken(&account), [Rule::StartedTwice]);

    let mut account = right();
    account.traces[0].machine = "m2".to_owned();
    assert!(broken(&account).contains(&Rule::StartedUnasked));

    let mut account = right();
    account.rows[0].state = ended(RunOutcome::SkippedOverlap);
    assert!(broken(&account).contains(&Rule::StartedUnasked));
}

#[test]
fn attempts_that_are_right_are_found_right_and_counted() {
    let (figures, violations) = check(&tried_again());
    assert_eq!(violations, []);
    assert_eq!((figures.retries, figures.bytes), (1, 110));
    // One that did not begin has no process.
    let mut account = right();
    account.killed_wrappers.insert(place());
    account.jobs.get_mut("j").unwrap().retries = 2;
    let kind_of = saltpeter_protocol::LaunchErrorKind::NoContact;
    let message = String::new();
    let told = told(&mut account);
    told.earlier
        .push(MachineOutcome::StartFailed { kind_of, message });
    told.outputs.insert(0, Output::new());
    assert_eq!(broken(&account), []);
}

#[test]
fn attempts_too_many_or_too_few_are_found() {
    let mut account = tried_again();
    account.jobs.get_mut("j").unwrap().retries = 0;
    assert_eq!(broken(&account), [Rule::Attempts]);

    let mut account = tried_again();
    account.traces[1].end = Some((End::Exit(0), 6_000));
    told(&mut account).earlier[0] = MachineOutcome::Succeeded;
    assert!(broken(&account).contains(&Rule::Attempts), "it was well");

    let mut account = tried_again();
    account.jobs.get_mut("j").unwrap().retries = 2;
    assert_eq!(broken(&account), [], "it succeeded");
    account.traces[0].end = Some((End::Exit(41), 11_000));
    tell(
        &mut account,
        MachineOutcome::Failed { code: 41 },
        RunOutcome::Failed,
    );
    assert_eq!(broken(&account), [Rule::Attempts], "one is left");
    told(&mut account).came_back = true;
    assert_eq!(broken(&account), []);
    told(&mut account).came_back = false;
    account.kills.push(KillAsked {
        run: RUN.to_owned(),
        accepted: false,
    });
    assert_eq!(broken(&account), []);
}

#[test]
fn attempts_that_are_not_as_they_were_are_found() {
    // It is told, and no command ran.
    let mut account = tried_again();
    account.traces.pop();
    assert!(broken(&account).contains(&Rule::Outcome));

    // A command ran, and no attempt tells of it.
    let mut account = tried_again();
    told(&mut account).earlier.clear();
    told(&mut account).outputs.remove(0);
    assert!(broken(&account).contains(&Rule::StartedTwice));

    let mut account = tried_again();
    told(&mut account).earlier[0] = MachineOutcome::Failed { code: 1 };
    assert_eq!(broken(&account), [Rule::Outcome]);

    let mut account = tried_again();
    told(&mut account).outputs[0] = output(9);
    assert_eq!(broken(&account), [Rule::Output]);

    let mut account = tried_again();
    account.traces[0].beside = Some(6);
    assert_eq!(broken(&account), [Rule::AttemptsAtOnce]);
    account.traces[0].beside = None;
    account.traces[1].end = Some((End::Exit(41), 10_500));
    assert_eq!(broken(&account), [Rule::AttemptsAtOnce]);
}

#[test]
fn what_was_shown_of_an_attempt_stays() {
    let shown = |bytes: &[u64], code| Shown {
        bytes: bytes.to_vec(),
        earlier: vec![MachineOutcome::Failed { code }],
        outcome: None,
    };
    for (shown, rules) in [
        (shown(&[10, 100], 41), &[][..]),
        (shown(&[11, 100], 41), &[Rule::ShownThenGone]),
        (shown(&[10, 100], 1), &[Rule::ShownThenGone]),
    ] {
        let mut account = tried_again();
        account.shown.insert(place(), shown);
        assert_eq!(broken(&account), rules);
    }
}

#[test]
fn runs_by_hand_that_are_gone_are_found() {
    let mut account = right();
    account.started.push("by-hand_1".to_owned());
    assert_eq!(broken(&account), [Rule::RunLost]);
}

#[test]
fn output_that_is_lost_doubled_or_made_up_is_found() {
    let cases: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(99),
        |bytes| bytes.push(bytes[0]),
        |bytes| bytes[50] ^= 1,
        |bytes| {
            bytes.remove(10);
            bytes.push(0);
        },
    ];
    for change in cases {
        let mut account = right();
        change(
            told(&mut account).outputs[0]
                .get_mut(&Channel::Out)
                .unwrap(),
        );
        assert_eq!(broken(&account), [Rule::Output]);
    }
    // A write of which nobody knows how far it came.
    let mut account = right();
    let written = account.traces[0].written.get_mut(&Channel::Out).unwrap();
    (written.surely, written.perhaps) = (90, 20);
    assert_eq!(broken(&account), []);
}

#[test]
fn outcomes_that_are_not_what_the_command_did_are_found() {
    let mut account = right();
    tell(
        &mut account,
        MachineOutcome::Failed { code: 1 },
        RunOutcome::Failed,
    );
    assert_eq!(broken(&account), [Rule::Outcome]);
    tell(&mut account, MachineOutcome::Killed, RunOutcome::Killed);
    assert_eq!(broken(&account), [Rule::Outcome], "nobody asked");
    tell(&mut account, MachineOutcome::TimedOut, RunOutcome::TimedOut);
    assert_eq!(broken(&account), [Rule::Outcome], "it has no limit");
    tell(&mut account, MachineOutcome::Lost, RunOutcome::Lost);
    assert_eq!(broken(&account), [Rule::Outcome], "its wrapper was there");
    account.killed_wrappers.insert(place());
    assert_eq!(broken(&account), []);

    let mut account = right();
    account.traces[0].end = None;
    assert_eq!(broken(&account), [Rule::Outcome]);
    account.traces.clear();
    assert_eq!(broken(&account), [Rule::Outcome, Rule::Output]);
}

#[test]
fn a_time_limit_is_no_excuse_before_it_is_over() {
    let mut account = right();
    tell(&mut account, MachineOutcome::TimedOut, RunOutcome::TimedOut);
    account.jobs.get_mut("j").unwrap().timeout = Some(2000);
    assert_eq!(broken(&account), [Rule::Outcome]);
    account.jobs.get_mut("j").unwrap().timeout = Some(900);
    assert_eq!(broken(&account), []);
}

#[test]
fn kills_that_were_accepted_and_did_not_land_are_found() {
    let kill = |accepted| KillAsked {
        run: RUN.to_owned(),
        accepted,
    };
    let mut account = right();
    account.kills.push(kill(true));
    assert_eq!(broken(&account), [], "it had ended before");
    account.traces[0].end = None;
    account.jobs.get_mut("j").unwrap().timeout = Some(0);
    tell(&mut account, MachineOutcome::TimedOut, RunOutcome::TimedOut);
    assert_eq!(broken(&account), [Rule::KillLost]);
    account.kills = vec![kill(false)];
    assert_eq!(broken(&account), []);
    tell(&mut account, MachineOutcome::Killed, RunOutcome::Killed);
    assert_eq!(broken(&account), []);
}

#[test]
fn what_is_not_over_is_found() {
    let mut account = right();
    told(&mut account).state = MachineState::Running { since: at(1) };
    account.rows[0].state = RunState::Running;
    assert_eq!(broken(&account), [Rule::StillGoing]);
    let mut account = right();
    account.alive.insert(7);
    assert_eq!(broken(&account), [Rule::StillGoing]);
}

#[test]
fn what_was_shown_and_is_gone_is_found() {
    let mut account = right();
    let shown = |bytes, outcome| {
        let bytes = vec![bytes];
        let earlier = Vec::new();
        let shown = Shown {
            bytes,
            earlier,
            outcome,
        };
        [(place(), shown)].into()
    };
    account.shown = shown(101, None);
    assert_eq!(broken(&account), [Rule::ShownThenGone]);
    account.shown = shown(100, Some(MachineOutcome::Killed));
    assert_eq!(broken(&account), [Rule::ShownThenGone]);
    account.shown = shown(100, Some(MachineOutcome::Lost));
    assert_eq!(broken(&account), [], "a lost wrapper may come back");
}

#[test]
fn runs_that_contradict_their_machines_or_the_api_are_found() {
    let mut account = right();
    account.rows[0].state = ended(RunOutcome::Failed);
    assert_eq!(broken(&account), [Rule::RunOutcome]);
    let mut account = right();
    account
        .disagreements
        .push("the API shows nothing".to_owned());
    assert_eq!(broken(&account), [Rule::Disagreement]);
}
