//! The executor with a Salt that says what the test wants: late, twice, under another name, never.

mod bed;

use super::SaltExecutor;
use crate::executor::{Executor as _, ExecutorError, LaunchNews};
use crate::machines::RunKey;
use crate::salt::{Call, Heard, SaltError};
use crate::testbed::config;
use bed::{bed, code, id, ids, jobs, returned, scripted, starting, state};
use saltpeter_protocol::launch::{DEFAULT_RETAIN, Launch, WrapperLogLevel};
use saltpeter_protocol::{JobName, MachineId, MachineOutcome, MachineState, RunId, RunOutcome};
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_quick_do_not_wait_for_the_slow_and_the_dead() {
    let (bed, _) = bed(|call, answers| {
        if call.function == "test.ping" {
            answers.try_send(returned("quick", json!(true))).unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                answers.send(returned("slow", json!(true))).await.unwrap();
                answers.send(Heard::Silent(id("dead"))).await.unwrap();
            });
            return Ok(ids("quick slow dead"));
        }
        let machines = call.target.text.split(',').map(id).collect();
        Ok(machines)
    })
    .await;
    let begun = Instant::now();
    let run = bed.start("all").await;
    bed.until(&run, |detail| starting(detail, "quick")).await;
    assert!(begun.elapsed() < Duration::from_millis(2500));
    bed.wrapper(&run, &id("quick")).await;
    let detail = bed.until(&run, |detail| starting(detail, "slow")).await;
    assert!(!detail.summary.state.is_ended());
    bed.wrapper(&run, &id("slow")).await;
    let detail = bed.over(&run).await;
    let MachineState::Ended { outcome, .. } = state(&detail, "dead") else {
        panic!("{detail:?}");
    };
    let message = "Target did not respond.".to_owned();
    assert_eq!(*outcome, MachineOutcome::Unreachable { message });
    assert_eq!(detail.summary.counts.succeeded, 2);
}

#[tokio::test]
async fn after_an_outage_machines_have_time_to_come_back() {
    let asked = Mutex::new(0);
    let (bed, _) = bed(move |call, answers| {
        if call.function != "test.ping" {
            return Ok(call.target.text.split(',').map(id).collect());
        }
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        match *asked {
            1 => return Err(SaltError::Away("The master is away.".to_owned())),
            // Only one has come back by then.
            2 => answers.try_send(returned("quick", json!(true))).unwrap(),
            _ => answers.try_send(returned("slow", json!(true))).unwrap(),
        }
        answers.try_send(Heard::Silent(id("dead"))).unwrap();
        Ok(ids("quick slow dead"))
    })
    .await;
    let run = bed.start("all").await;
    bed.until(&run, |detail| starting(detail, "quick")).await;
    bed.wrapper(&run, &id("quick")).await;
    bed.until(&run, |detail| starting(detail, "slow")).await;
    bed.wrapper(&run, &id("slow")).await;
    let detail = bed.over(&run).await;
    assert_eq!(detail.summary.counts.succeeded, 2);
    let MachineState::Ended { outcome, .. } = state(&detail, "dead") else {
        panic!("{detail:?}");
    };
    assert_eq!(outcome.exit_code(), Some(255));
}

#[tokio::test]
async fn late_ones_fill_the_places_that_are_open() {
    let (bed, _) = bed(|call, answers| {
        if call.function == "test.ping" {
            answers.try_send(returned("quick", json!(true))).unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                answers.send(returned("slow", json!(true))).await.unwrap();
                // Nobody hears these two if the place is taken.
                let _ = answers.send(returned("slower", json!(true))).await;
            });
            return Ok(ids("quick slow slower"));
        }
        Ok(call.target.text.split(',').map(id).collect())
    })
    .await;
    let run = bed.start("two").await;
    bed.until(&run, |detail| starting(detail, "quick")).await;
    bed.wrapper(&run, &id("quick")).await;
    bed.until(&run, |detail| starting(detail, "slow")).await;
    bed.wrapper(&run, &id("slow")).await;
    let detail = bed.over(&run).await;
    assert_eq!(detail.machines.len(), 2);
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Succeeded));
}

#[tokio::test]
async fn a_salt_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    let (away, salt) = bed(|_, _| Err(SaltError::Away("Salt is away.".to_owned()))).await;
    let run = away.start("all").await;
    let detail = away.over(&run).await;
    let Some(RunOutcome::ResolveFailed { message }) = detail.summary.state.outcome() else {
        panic!("{detail:?}");
    };
    assert!(message.contains("away") && message.contains("start_window"));
    assert!(salt.calls.lock().unwrap().len() > 1);

    let (bed, salt) = bed(|_, _| Err(SaltError::Refused("It is not permitted.".to_owned()))).await;
    let run = bed.start("all").await;
    let detail = bed.over(&run).await;
    let message = "It is not permitted.".to_owned();
    let expected = RunOutcome::ResolveFailed { message };
    assert_eq!(detail.summary.state.outcome(), Some(&expected));
    assert_eq!(salt.calls.lock().unwrap().len(), 1);
}

/// Launches on `machines` and gives what was heard of it.
async fn launched(
    machines: &str,
    script: impl Fn(&Call, &mpsc::Sender<Heard>) -> Result<Vec<MachineId>, SaltError>
    + Send
    + Sync
    + 'static,
) -> Vec<(MachineId, String)> {
    let dir = tempfile::tempdir().unwrap();
    let salt = scripted(script);
    let executor = SaltExecutor::new(config(dir.path(), &jobs()), salt.clone());
    let launch = |machine| Launch {
        url: "wss://server:1".to_owned(),
        job: JobName::new("all").unwrap(),
        run: RunId::new("all_1").unwrap(),
        machine,
        token: Some(RunKey::from_bytes([7; 32]).token(&RunId::new("all_1").unwrap())),
        tls_pin: Some("ab".repeat(32)),
        log_level: WrapperLogLevel::Normal,
        log_dir: None,
        retain: DEFAULT_RETAIN,
        command: None,
    };
    let (news, mut heard) = mpsc::channel(64);
    let launches = ids(machines).into_iter().map(launch).collect();
    executor.launch(launches, "/opt/wrapper", news).await;
    let mut failed = Vec::new();
    while let Some(news) = heard.recv().await {
        match news {
            LaunchNews::Failed(
                machine,
                ExecutorError::Failed(message) | ExecutorError::Away(message),
            ) => failed.push((machine, message)),
            LaunchNews::GoesOn(_) | LaunchNews::WantsCommand(..) => {}
        }
    }
    let calls = salt.calls.lock().unwrap();
    let sent = format!("{:?}", calls[0].kwargs);
    assert!(sent.contains("SP_TOKEN") && !sent.contains("hidden-value"));
    let env = &calls[0].kwargs["env"];
    assert_eq!(env["SP_TLS_PIN"], "ab".repeat(32), "{sent}");
    let cmd = calls[0].kwargs["cmd"].as_str().unwrap();
    assert!(
        !cmd.contains("all_1") && !cmd.contains("/opt/wrapper"),
        "{cmd}"
    );
    failed
}

#[tokio::test]
async fn answers_that_are_odd_harm_nothing() {
    let failed = launched("a b c d e", |_, answers| {
        for heard in [
            code("a", 0),
            code("a", 243),
            code("stranger", 243),
            code("b", 243),
            code("b", 0),
            returned("c", json!("'cmd.run_all' is not available.")),
            Heard::Silent(id("d")),
            code("d", 243),
        ] {
            answers.try_send(heard).unwrap();
        }
        // The last has been renamed.
        Ok(ids("a b c d f"))
    })
    .await;
    let names: Vec<&str> = failed.iter().map(|(machine, _)| machine.as_str()).collect();
    assert_eq!(names, ["e", "b", "c"]);
    assert!(failed[0].1.contains("renamed"), "{failed:?}");
    assert!(failed[1].1.contains("noexec"), "{failed:?}");
    assert!(failed[2].1.contains("cannot run commands"), "{failed:?}");
}

#[tokio::test]
async fn a_launch_that_is_refused_fails_for_all() {
    let failed = launched("a b", |_, _| Err(SaltError::Refused("No.".to_owned()))).await;
    assert_eq!(
        failed,
        [(id("a"), "No.".to_owned()), (id("b"), "No.".to_owned())]
    );
}

#[tokio::test]
async fn ten_runs_do_not_wait_for_each_others_calls() {
    const ANSWER: Duration = Duration::from_millis(300);
    let (bed, _) = bed(|call, answers| {
        let (ping, answers) = (call.function == "test.ping", answers.clone());
        tokio::spawn(async move {
            tokio::time::sleep(ANSWER).await;
            let heard = if ping {
                returned("a", json!(true))
            } else {
                code("a", 0)
            };
            let _ = answers.send(heard).await;
        });
        Ok(ids("a"))
    })
    .await;
    let begun = Instant::now();
    let mut runs = Vec::new();
    for n in 0..10 {
        runs.push(bed.start(&format!("j{n}")).await);
    }
    for run in &runs {
        bed.until(run, |detail| starting(detail, "a")).await;
    }
    // One after the other they would take ten times as long.
    assert!(begun.elapsed() < ANSWER * 5, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn two_thousand_machines_are_no_trouble() {
    const MANY: usize = 2000;
    let all = || (0..MANY).map(|n| id(&format!("m{n:04}")));
    let (bed, salt) = bed(move |call, answers| {
        for machine in all() {
            let value = if call.function == "test.ping" {
                json!(true)
            } else {
                json!({"pid": 1, "retcode": 0, "stdout": "", "stderr": ""})
            };
            let heard = returned(machine.as_str(), value);
            answers.try_send(heard).unwrap();
        }
        Ok(all().collect())
    })
    .await;
    let begun = Instant::now();
    let run = bed.start("all").await;
    let created = begun.elapsed();
    bed.until(&run, |detail| {
        detail.summary.counts.starting as usize == MANY
    })
    .await;
    let started = begun.elapsed();
    let wrappers = all().map(|machine| {
        let (bed, run) = (&bed, &run);
        async move { bed.wrapper(run, &machine).await }
    });
    futures::future::join_all(wrappers).await;
    let detail = bed.over(&run).await;
    println!(
        "created {created:?}, {MANY} machines starting {started:?}, over {:?}",
        begun.elapsed()
    );
    assert_eq!(detail.summary.counts.succeeded as usize, MANY);
    assert_eq!(salt.calls.lock().unwrap().len(), 2, "a ping and a launch");
}
