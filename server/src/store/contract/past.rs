//! What is counted of a job's past is what its rows say, whatever becomes of them.

use super::counted::{beside, counted_anew, days, fill};
use super::*;
use saltpeter_domain::past::{Tally, tally};
use saltpeter_domain::run::MachineRun;
use saltpeter_protocol::api::{Counts, JobPast, SuccessRate};
use saltpeter_protocol::{LaunchErrorKind, MachineOutcome, MachineState, RunId};

const DAY: i64 = 86_400_000;

async fn number(bed: &Bed, id: &RunId) -> i64 {
    sqlx::query_scalar("SELECT seq FROM runs WHERE id = ?")
        .bind(id.as_str())
        .fetch_one(&bed.store.readers)
        .await
        .unwrap()
}

fn write(id: &RunId, state: RunState, machines: Vec<(MachineId, MachineState)>) -> RunWrite {
    RunWrite {
        id: id.clone(),
        state,
        kill: None,
        settled: None,
        stopped: None,
        counts: Counts::default(),
        running_on: Vec::new(),
        machines: machines
            .into_iter()
            .map(|(id, state)| (id, MachineRun::new(state)))
            .collect(),
    }
}

fn ended(took: Option<i64>, outcome: MachineOutcome) -> MachineState {
    MachineState::Ended {
        since: took.map(|took| UnixMillis(NOW.0 - took)),
        at: NOW,
        outcome,
    }
}

fn run_outcomes() -> Vec<RunOutcome> {
    vec![
        RunOutcome::Succeeded,
        RunOutcome::Failed,
        RunOutcome::TimedOut,
        RunOutcome::Killed,
        RunOutcome::Lost,
        RunOutcome::NoTargets,
        RunOutcome::Maintenance,
        RunOutcome::SkippedOverlap,
        RunOutcome::Missed {
            reason: MissedReason::Late,
        },
        RunOutcome::ResolveFailed {
            message: "no".to_owned(),
        },
    ]
}

fn machine_outcomes() -> Vec<MachineOutcome> {
    vec![
        MachineOutcome::Succeeded,
        MachineOutcome::Failed { code: 3 },
        MachineOutcome::TimedOut,
        MachineOutcome::Killed,
        MachineOutcome::Lost,
        MachineOutcome::StartFailed {
            kind_of: LaunchErrorKind::Command,
            message: "no".to_owned(),
        },
        MachineOutcome::Unreachable {
            message: "no".to_owned(),
        },
        MachineOutcome::Maintenance,
        MachineOutcome::NotAttempted,
    ]
}

async fn past(bed: &Bed, name: &str) -> JobPast {
    bed.store.past(&job(name), None, NOW).await.unwrap()
}

#[tokio::test]
async fn runs_count_by_the_rule_of_the_domain() {
    for outcome in run_outcomes() {
        let bed = Bed::new().await;
        let mut new = new_run("tick", by_hand());
        new.state = over(outcome.clone(), NOW.0);
        bed.store.create_run(new).await.unwrap();
        let expected = match tally(&outcome) {
            Tally::Succeeded => (1, 0, 0),
            Tally::Failed => (0, 1, 0),
            Tally::Other => (0, 0, 1),
        };
        let rate = past(&bed, "tick").await.rates.remove(0);
        let found = (rate.succeeded, rate.failed, rate.other);
        assert_eq!(found, expected, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_counted_is_what_the_rows_say_whatever_becomes_of_them() {
    let bed = Bed::new().await;
    // The same each time: numbers that look thrown.
    let mut state = 7_u64;
    let mut dice = move |sides: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % sides
    };
    let mut runs: Vec<RunId> = Vec::new();
    for round in 0..300 {
        if runs.is_empty() || dice(3) == 0 {
            let name = ["tick", "tock"][dice(2)];
            let run = bed.store.create_run(new_run(name, by_hand())).await;
            runs.push(run.unwrap().id().clone());
        } else if dice(8) == 0 {
            let id = runs.swap_remove(dice(runs.len()));
            let seq = number(&bed, &id).await;
            bed.store.delete_run(seq).await.unwrap();
        } else if dice(5) == 0 {
            let seq = number(&bed, &runs[dice(runs.len())]).await;
            let bytes = dice(1000) as u64;
            bed.store.set_output(vec![(seq, bytes)]).await.unwrap();
        } else {
            let id = &runs[dice(runs.len())];
            let machines = (0..dice(4))
                .map(|_| {
                    let name = machine(["a", "b", "c"][dice(3)]);
                    let state = match dice(10) {
                        0 => MachineState::Running { since: NOW },
                        one => ended(
                            (one > 2).then(|| 100 * dice(50) as i64),
                            machine_outcomes().swap_remove(dice(9)),
                        ),
                    };
                    (name, state)
                })
                .collect::<BTreeMap<_, _>>();
            let state = match dice(4) {
                0 => RunState::Running,
                _ => over(
                    run_outcomes().swap_remove(dice(10)),
                    NOW.0 - DAY * dice(40) as i64,
                ),
            };
            let change = write(id, state, machines.into_iter().collect());
            bed.store.save(change).await.unwrap();
        }
        if round % 20 == 0 {
            let [before, now] = counted_anew(&bed).await;
            assert_eq!(before.machines, now.machines, "round {round}");
            assert_eq!(before.kept, now.kept, "round {round}");
        }
    }
    // Days outlast runs; machines do not.
    let [before, now] = counted_anew(&bed).await;
    assert_eq!(before.machines, now.machines);
    assert!(!before.machines.is_empty() && before.days.len() > now.days.len());
    assert_eq!(before.kept, now.kept);
    assert!(before.kept.iter().any(|line| !line.ends_with(" 0")));
}

#[tokio::test]
async fn days_are_what_the_rows_say_until_runs_are_deleted() {
    let bed = Bed::new().await;
    for (round, outcome) in run_outcomes().into_iter().cycle().take(60).enumerate() {
        let run = bed
            .store
            .create_run(new_run("tick", by_hand()))
            .await
            .unwrap();
        let at = NOW.0 - DAY * (round as i64 % 9);
        for outcome in [RunOutcome::Lost, outcome] {
            let change = write(run.id(), over(outcome, at), Vec::new());
            bed.store.save(change).await.unwrap();
        }
    }
    let [before, now] = counted_anew(&bed).await;
    assert_eq!(before.days, now.days);
    assert_eq!(now.days.len(), 9);
}

#[tokio::test]
async fn results_of_machines_are_counted_by_day_and_corrected() {
    let bed = Bed::new().await;
    let outcomes = machine_outcomes().into_iter().cycle().take(60);
    for (round, outcome) in outcomes.enumerate() {
        let new = new_run("tick", by_hand());
        let run = bed.store.create_run(new).await.unwrap();
        let at = UnixMillis(NOW.0 - DAY * (round as i64 % 7));
        // It counts as lost, and reports after all: the other way round as well.
        for outcome in [MachineOutcome::Lost, outcome] {
            let ended = MachineState::Ended {
                since: None,
                at,
                outcome,
            };
            let machines = vec![(machine("web1"), ended)];
            let change = write(run.id(), over(RunOutcome::Failed, at.0), machines);
            bed.store.save(change).await.unwrap();
        }
    }
    let [before, now] = counted_anew(&bed).await;
    assert_eq!(before.machine_days, now.machine_days);
    assert_eq!(now.machine_days.len(), 7);
}

#[tokio::test]
async fn rates_are_of_seven_days_and_thirty_today_included() {
    let bed = Bed::new().await;
    for (days_ago, outcome) in [
        (0, RunOutcome::Succeeded),
        (6, RunOutcome::Failed),
        (7, RunOutcome::Succeeded),
        (29, RunOutcome::Killed),
        (30, RunOutcome::Failed),
    ] {
        let mut new = new_run("tick", by_hand());
        new.state = over(outcome, NOW.0 - days_ago * DAY);
        bed.store.create_run(new).await.unwrap();
    }
    let rate = |days, succeeded, failed, other| SuccessRate {
        days,
        succeeded,
        failed,
        other,
    };
    let rates = past(&bed, "tick").await.rates;
    assert_eq!(rates, [rate(7, 1, 1, 0), rate(30, 2, 1, 1)]);
    let none = past(&bed, "other").await;
    assert_eq!(none.rates[1].per_mille(), None);
    assert_eq!(none.slowest, []);
}

#[tokio::test]
async fn the_slowest_machines_come_first_and_count_only_what_came_to_an_end() {
    let bed = Bed::new().await;
    let run = bed
        .store
        .create_run(new_run("tick", by_hand()))
        .await
        .unwrap();
    let machines = (0..30)
        .map(|n| {
            (
                machine(&format!("m{n:02}")),
                ended(Some(n * 1000), MachineOutcome::Succeeded),
            )
        })
        .chain([
            (
                machine("silent"),
                ended(Some(999_000), MachineOutcome::Lost),
            ),
            (
                machine("never"),
                ended(None, MachineOutcome::Failed { code: 1 }),
            ),
        ])
        .collect();
    let state = over(RunOutcome::Failed, NOW.0);
    bed.store
        .save(write(run.id(), state, machines))
        .await
        .unwrap();
    let slowest = past(&bed, "tick").await.slowest;
    let names: Vec<&str> = slowest.iter().map(|row| row.machine.as_str()).collect();
    assert_eq!(slowest.len(), 10);
    assert_eq!(names[..3], ["m29", "m28", "m27"]);
    assert_eq!(
        (slowest[0].mean_ms, slowest[0].results, slowest[0].failed),
        (29_000, 1, 0)
    );
}

#[tokio::test]
async fn what_is_different_since_the_last_success_is_told_also_when_that_run_is_gone() {
    let bed = Bed::new().await;
    let run_of = async |command: &str, password: &str, outcome: RunOutcome, at: i64| {
        let mut new = new_run("tick", by_hand());
        let mut spec = spec();
        spec.command = command.to_owned();
        spec.env = BTreeMap::from([("PASSWORD".to_owned(), Secret::new(password))]);
        new.spec = Arc::new(spec);
        let run = bed.store.create_run(new).await.unwrap();
        let change = write(run.id(), over(outcome, at), Vec::new());
        bed.store.save(change).await.unwrap();
        run.id().clone()
    };
    let never = run_of("new", "hunter3", RunOutcome::Failed, 500).await;
    let told = bed
        .store
        .past(&job("tick"), Some(&never), NOW)
        .await
        .unwrap();
    let since = told.since_success.unwrap();
    assert_eq!((since.run, since.last), (never, None));

    let good = run_of("old", "hunter2", RunOutcome::Succeeded, 2000).await;
    // One that ended before and is told of later is not the last.
    run_of("older", "hunter1", RunOutcome::Succeeded, 1000).await;
    let bad = run_of("new", "hunter3", RunOutcome::Failed, 3000).await;
    for gone in [false, true] {
        let told = bed.store.past(&job("tick"), Some(&bad), NOW).await.unwrap();
        let last = told.since_success.unwrap().last.unwrap();
        assert_eq!(
            (last.run.clone(), last.at),
            (good.clone(), UnixMillis(2000))
        );
        let changes: Vec<_> = last
            .changes
            .unwrap()
            .into_iter()
            .map(|change| format!("{} {:?} {:?}", change.key, change.before, change.after))
            .collect();
        assert_eq!(
            changes,
            [
                "command Some(\"old\") Some(\"new\")",
                "env.PASSWORD Some(\"••••••\") Some(\"••••••\")"
            ],
            "gone: {gone}"
        );
        bed.store.delete_run(2).await.unwrap();
    }
    assert_eq!(bed.store.run(&good).await.unwrap(), None);
    let kept: String = sqlx::query_scalar("SELECT config FROM job_successes")
        .fetch_one(&bed.store.readers)
        .await
        .unwrap();
    assert!(!kept.contains("hunter"), "{kept}");
}

#[tokio::test]
async fn when_the_last_success_began_is_known_also_when_that_run_is_gone() {
    let bed = Bed::new().await;
    let last = async || bed.store.last_succeeded(&job("tick")).await.unwrap();
    assert_eq!(last().await, None);
    for (outcome, at) in [(RunOutcome::Succeeded, 2000), (RunOutcome::Failed, 3000)] {
        let run = bed.store.create_run(new_run("tick", by_hand())).await;
        let change = write(run.unwrap().id(), over(outcome, NOW.0 + at), Vec::new());
        bed.store.save(change).await.unwrap();
    }
    assert_eq!(last().await, Some(NOW));
    bed.store.delete_run(1).await.unwrap();
    assert_eq!(last().await, Some(UnixMillis(NOW.0 + 2000)));
}

#[tokio::test]
async fn successes_of_earlier_versions_are_read_from_their_runs() {
    let bed = Bed::new().await;
    for outcome in [RunOutcome::Succeeded, RunOutcome::Failed] {
        let mut new = new_run("tick", by_hand());
        new.state = over(outcome, NOW.0);
        bed.store.create_run(new).await.unwrap();
    }
    let mut connection = beside(&bed).await;
    for statement in fill().iter().filter(|text| text.contains("job_successes")) {
        sqlx::query(*statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let newest = bed.store.history(&job("tick"), 1).await.unwrap();
    let told = bed.store.past(&job("tick"), Some(&newest[0].id), NOW).await;
    let last = told.unwrap().since_success.unwrap().last.unwrap();
    assert_eq!(last.changes, Some(Vec::new()));
}

#[tokio::test]
async fn old_days_go_and_a_job_goes_with_its_last_run() {
    let bed = Bed::new().await;
    for days_ago in [500, 399, 0] {
        let mut new = new_run("tick", by_hand());
        new.state = over(RunOutcome::Succeeded, NOW.0 - days_ago * DAY);
        bed.store.create_run(new).await.unwrap();
    }
    let mut connection = beside(&bed).await;
    assert_eq!(days(&mut connection).await.len(), 2);
    for seq in 1..=3 {
        assert!(!days(&mut connection).await.is_empty(), "before {seq}");
        bed.store.delete_run(seq).await.unwrap();
    }
    assert_eq!(days(&mut connection).await, Vec::<String>::new());
}
