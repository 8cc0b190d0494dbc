//! Lists of runs and of machines.

use super::*;
use crate::runs::{MachineResults, MachineWork};
use crate::store::lists::{chosen, query};
use saltpeter_protocol::api::{CauseKind, OutcomeKind, RunQuery};
use saltpeter_protocol::{MachineOutcome, MachineState};

const MINUTE: i64 = 60_000;

/// Writes down a run of `name` that began `minute` minutes after [`NOW`] and stands as `state`.
async fn put(bed: &Bed, name: &str, cause: RunCause, minute: i64, state: RunState) -> String {
    let mut new = new_run(name, cause);
    new.created = UnixMillis(NOW.0 + minute * MINUTE);
    new.state = state;
    let run = bed.store.create_run(new).await.unwrap();
    run.id().to_string()
}

async fn listed(bed: &Bed, query: &RunQuery) -> Vec<String> {
    let list = bed.store.runs_by(query, 10).await.unwrap();
    assert_eq!(list.older, None);
    list.runs.iter().map(|run| run.id.to_string()).collect()
}

#[tokio::test]
async fn runs_are_listed_by_whatever_is_asked_for() {
    let bed = Bed::new().await;
    let good = || over(RunOutcome::Succeeded, NOW.0);
    let bad = || over(RunOutcome::Failed, NOW.0);
    let a1 = put(&bed, "a", scheduled(1), 1, good()).await;
    let b1 = put(&bed, "b", scheduled(1), 2, bad()).await;
    let a2 = put(&bed, "a", by_hand(), 3, bad()).await;
    let a3 = put(&bed, "a", scheduled(2), 4, RunState::Resolving).await;

    let all = RunQuery::default();
    assert_eq!(listed(&bed, &all).await, [&*a3, &a2, &b1, &a1]);
    let of_a = RunQuery {
        job: Some(job("a")),
        ..all.clone()
    };
    assert_eq!(listed(&bed, &of_a).await, [&*a3, &a2, &a1]);
    let failed = RunQuery {
        outcome: Some(OutcomeKind::Failed),
        ..all.clone()
    };
    assert_eq!(listed(&bed, &failed).await, [&*a2, &b1]);
    let failed_of_a = RunQuery {
        outcome: Some(OutcomeKind::Failed),
        ..of_a.clone()
    };
    assert_eq!(listed(&bed, &failed_of_a).await, [&*a2]);
    let going = RunQuery {
        outcome: Some(OutcomeKind::Running),
        ..all.clone()
    };
    assert_eq!(listed(&bed, &going).await, [&*a3]);
    let manual = RunQuery {
        cause: Some(CauseKind::Manual),
        ..of_a.clone()
    };
    assert_eq!(listed(&bed, &manual).await, [&*a2]);
    let scheduled_bad = RunQuery {
        cause: Some(CauseKind::Schedule),
        ..failed
    };
    assert_eq!(listed(&bed, &scheduled_bad).await, [&*b1]);
    let between = |from: i64, to: i64| RunQuery {
        from: Some(UnixMillis(NOW.0 + from * MINUTE)),
        to: Some(UnixMillis(NOW.0 + to * MINUTE)),
        ..RunQuery::default()
    };
    assert_eq!(listed(&bed, &between(2, 4)).await, [&*a2, &b1]);
    assert!(listed(&bed, &between(-500, -400)).await.is_empty());
    assert!(listed(&bed, &between(400, 500)).await.is_empty());

    // What has ended is found as what it has become.
    let mut run = bed.store.unfinished_runs().await.unwrap().pop().unwrap();
    apply(&bed.store, &mut run, Input::Resolved(Resolution::default())).await;
    assert!(listed(&bed, &going).await.is_empty());
}

#[tokio::test]
async fn the_next_page_begins_where_the_last_has_ended() {
    let bed = Bed::new().await;
    let mut all = Vec::new();
    for minute in 0..7 {
        let instant = scheduled(minute + 1);
        all.push(put(&bed, "a", instant, minute, RunState::Running).await);
    }
    all.reverse();
    let mut found = Vec::new();
    let mut query = RunQuery::default();
    for rest in [true, true, false] {
        let list = bed.store.runs_by(&query, 3).await.unwrap();
        found.extend(list.runs.iter().map(|run| run.id.to_string()));
        assert_eq!(list.older.is_some(), rest);
        query.before = list.older;
    }
    assert_eq!(found, all);
}

#[tokio::test]
async fn machines_are_known_by_their_newest_results() {
    let bed = Bed::new().await;
    let resolved = |names: &[&str]| {
        Input::Resolved(Resolution {
            machines: names.iter().map(|name| machine(name)).collect(),
            ..Resolution::default()
        })
    };
    for minute in 0..4 {
        let instant = scheduled(minute + 1);
        let id = put(&bed, "a", instant, minute, RunState::Resolving).await;
        let mut run = bed.store.run(&id.parse().unwrap()).await.unwrap().unwrap();
        apply(&bed.store, &mut run, resolved(&["db1", "web1"])).await;
        let ended = |outcome| MachineState::Ended {
            since: None,
            at: UnixMillis(NOW.0 + minute * MINUTE),
            outcome,
        };
        // The last one goes on.
        if minute < 3 {
            let step = run.apply(Input::Tick, NOW).unwrap();
            let mut write = RunWrite::of(&run, &step.changed);
            let mut one = run.machines()[&machine("web1")].clone();
            let mut other = one.clone();
            one.state = ended(MachineOutcome::Failed { code: 1 });
            other.state = ended(match minute {
                0 => MachineOutcome::Lost,
                1 => MachineOutcome::Succeeded,
                _ => MachineOutcome::Maintenance,
            });
            write.machines = vec![(machine("web1"), one), (machine("db1"), other)];
            write.state = over(RunOutcome::Failed, NOW.0);
            bed.store.save(write).await.unwrap();
        }
    }
    let by_machine = RunQuery {
        machine: Some(machine("web1")),
        ..RunQuery::default()
    };
    assert_eq!(listed(&bed, &by_machine).await.len(), 4);
    let ended = RunQuery {
        outcome: Some(OutcomeKind::Failed),
        ..by_machine
    };
    assert_eq!(listed(&bed, &ended).await.len(), 3);

    let results = |name: &str, results, failed, minute: Option<i64>| MachineResults {
        machine: machine(name),
        results,
        failed,
        seen: minute.map(|minute| UnixMillis(NOW.0 + minute * MINUTE)),
    };
    // What maintenance kept back does not count.
    let found = bed.store.machine_results(7, NOW, 10).await.unwrap();
    assert_eq!(found[0].machine, machine("db1"));
    assert_eq!((found[0].results, found[0].failed), (2, 1));
    assert_eq!((found[1].results, found[1].failed), (3, 3));
    // What is a week old does not count any more, and is known of all the same.
    let later = UnixMillis(NOW.0 + 7 * 24 * 60 * MINUTE);
    let found = bed.store.machine_results(7, later, 1).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].results, found[0].failed), (0, 0));
    assert!(found[0].seen >= results("db1", 2, 1, Some(1)).seen);

    let work = bed.store.work_now(10).await.unwrap();
    let busy: Vec<_> = work
        .iter()
        .map(|MachineWork { machine, .. }| machine.as_str())
        .collect();
    assert_eq!(busy, ["db1", "web1"]);
    assert!(
        work.iter().all(|work| !work.is_heard),
        "nothing has been heard of them: {work:?}"
    );
}

#[tokio::test]
async fn a_machine_that_was_lost_was_last_heard_of_before_its_silence() {
    let bed = Bed::new().await;
    let at = |second: i64| UnixMillis(NOW.0 + second * 1000);
    let seen = async || bed.store.machine_results(7, NOW, 10).await.unwrap()[0].seen;
    let begin = async |begun| {
        let mut run = bed.store.create_run(new_run("a", by_hand())).await.unwrap();
        let resolution = Resolution {
            machines: vec![machine("web1")],
            ..Resolution::default()
        };
        apply_at(&bed.store, &mut run, Input::Resolved(resolution), begun).await;
        let hello = Input::Hello {
            machine: machine("web1"),
            speaker: Speaker::V2(WrapperId(1)),
            progress: Progress::Started { pid: 1, at: begun },
        };
        apply_at(&bed.store, &mut run, hello, begun).await;
        run
    };
    // An older one that has been heard of since its beginning, and nothing more.
    begin(at(-60)).await;
    assert_eq!(seen().await, Some(at(-60)));

    let mut run = begin(at(0)).await;
    let heard = Input::Heard {
        machine: machine("web1"),
    };
    apply_at(&bed.store, &mut run, heard, at(100)).await;
    for lost in [false, true] {
        let due = run.next_deadline().unwrap();
        apply_at(&bed.store, &mut run, Input::Tick, due).await;
        let state = &run.machines()[&machine("web1")].state;
        assert_eq!(
            state.outcome() == Some(&MachineOutcome::Lost),
            lost,
            "{state:?}"
        );
        assert_eq!(seen().await, Some(at(100)), "{state:?}");
    }
}

#[tokio::test]
async fn the_timeline_tells_what_lasted_into_its_span() {
    use crate::runs::Lasted;
    use saltpeter_protocol::api::LaneBy;
    let bed = Bed::new().await;
    let at = |minute: i64| UnixMillis(NOW.0 + minute * MINUTE);
    let ended = |minute| over(RunOutcome::Failed, at(minute).0);
    put(&bed, "before", scheduled(1), 0, ended(9)).await;
    put(&bed, "into", scheduled(1), 5, ended(12)).await;
    put(&bed, "out_of", scheduled(1), 15, ended(30)).await;
    put(&bed, "after", scheduled(1), 21, ended(30)).await;
    let going = put(&bed, "going", scheduled(1), 16, RunState::Resolving).await;
    let lanes = async |by, limit| {
        let span = (at(10), at(20));
        let found = bed.store.lasted_within(by, span, at(18), limit).await;
        let mut found = found.unwrap();
        found.sort_by(|a, b| a.lane.cmp(&b.lane));
        found
    };
    let of = |found: &[Lasted]| -> Vec<(String, i64, i64)> {
        let minutes = |time: UnixMillis| (time.0 - NOW.0) / MINUTE;
        found
            .iter()
            .map(|one| (one.lane.clone(), minutes(one.ran.from), minutes(one.ran.to)))
            .collect()
    };
    let found = lanes(LaneBy::Job, 10).await;
    let expected = [("going", 16, 18), ("into", 5, 12), ("out_of", 15, 30)];
    assert_eq!(
        of(&found),
        expected.map(|(lane, from, to)| (lane.to_owned(), from, to))
    );
    assert_eq!(found[0].ran.outcome, OutcomeKind::Running);
    assert_eq!(found[1].ran.outcome, OutcomeKind::Failed);

    let mut run = bed
        .store
        .run(&going.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let machines = [machine("web1"), machine("web2")].into();
    let resolution = Resolution {
        machines,
        ..Resolution::default()
    };
    apply(&bed.store, &mut run, Input::Resolved(resolution)).await;
    let found = lanes(LaneBy::Machine, 10).await;
    let names: Vec<_> = found.iter().map(|one| one.lane.as_str()).collect();
    assert_eq!(names, ["web1", "web2"]);
}

async fn plan(bed: &Bed, question: &str) -> Vec<String> {
    let mut ask = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}")));
    for _ in 0..question.matches('?').count() {
        ask = ask.bind(1);
    }
    let found = ask.fetch_all(&bed.store.readers).await.unwrap();
    let detail = |row: &sqlx::sqlite::SqliteRow| row.get::<String, _>("detail");
    found.iter().map(detail).collect()
}

#[tokio::test]
async fn every_list_is_answered_by_the_index_that_finds_least() {
    let bed = Bed::new().await;
    let yes = |bit: bool| bit.then_some(());
    for bits in 0..64_u32 {
        let has = |bit: u32| bits & (1 << bit) != 0;
        for cause in [CauseKind::Schedule, CauseKind::Manual] {
            let asked = RunQuery {
                job: yes(has(0)).map(|()| job("a")),
                machine: yes(has(1)).map(|()| machine("m")),
                outcome: yes(has(2)).map(|()| OutcomeKind::Failed),
                cause: yes(has(3)).map(|()| cause),
                from: yes(has(4)).map(|()| NOW),
                to: yes(has(5)).map(|()| NOW),
                before: None,
                limit: None,
            };
            let index = match &asked {
                RunQuery {
                    machine: Some(_), ..
                } => "run_machines_machine (machine=? AND run_seq>? AND run_seq<?)",
                RunQuery {
                    cause: Some(CauseKind::Manual),
                    ..
                } => "runs_cause (cause_kind=? AND seq>? AND seq<?)",
                RunQuery {
                    job: Some(_),
                    outcome: Some(_),
                    ..
                } => "runs_job_outcome (job=? AND outcome=? AND seq>? AND seq<?)",
                RunQuery { job: Some(_), .. } => "runs_history (job=? AND seq>? AND seq<?)",
                RunQuery {
                    outcome: Some(_), ..
                } => "runs_outcome (outcome=? AND seq>? AND seq<?)",
                _ => "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
            };
            let question = chosen::runs(&asked);
            let plan = plan(&bed, &question).await;
            let index = index.replace("AND seq>? AND seq<?", "AND rowid>? AND rowid<?");
            let first = plan[0]
                .replace(" seq>?", " rowid>?")
                .replace(" seq<?", " rowid<?");
            assert!(first.contains(&index), "{question}: {plan:?}");
            assert!(
                plan.iter().all(|step| step.starts_with("SEARCH")),
                "{question}: {plan:?}"
            );
        }
    }
    use crate::store::timeline::query as timeline;
    for question in [
        query::FIRST_SINCE,
        query::LAST_UNTIL,
        query::WORK,
        timeline::RUNS,
        timeline::GOING,
        timeline::MACHINES,
        timeline::MACHINES_GOING,
    ] {
        let plan = plan(&bed, question).await;
        assert!(
            plan.iter()
                .all(|step| step.starts_with("SEARCH") || step.contains("USING INDEX runs_going")),
            "{question}: {plan:?}"
        );
    }
    let plan = plan(&bed, query::RESULTS).await;
    for step in &plan {
        let by = [
            ("run_machines", "INDEX run_machines_machine"),
            ("machine_days", "PRIMARY KEY (machine=? AND day>?)"),
        ];
        for (table, index) in by {
            assert!(!step.contains(table) || step.contains(index), "{plan:?}");
        }
    }
    assert!(!plan.iter().any(|step| step.contains("B-TREE")), "{plan:?}");
}
