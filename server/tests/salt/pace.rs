//! How long things take, and where the time goes.

use crate::cpu::Cpu;
use crate::outcomes::{all, codes};
use crate::site::{Setting, site};
use saltpeter_testkit::{Exchange, Front, SaltLab};
use std::time::Instant;

/// The calls of a function of Salt, in the order in which they were asked.
fn calls(front: &Front, since: Instant, function: &str) -> Vec<Exchange> {
    let named = format!("\"fun\":\"{function}\"");
    let mut calls = front.exchanges();
    calls.retain(|call| call.asked >= since && call.request.contains(&named));
    calls
}

/// The most calls that were waited for at a time.
fn at_once(calls: &[Exchange]) -> usize {
    let waited = |moment: Instant| {
        let asked = |call: &&Exchange| call.asked <= moment;
        let open = |call: &&Exchange| call.answered.is_none_or(|answered| answered > moment);
        calls.iter().filter(asked).filter(open).count()
    };
    let most = calls.iter().map(|call| waited(call.asked)).max();
    most.unwrap_or_default()
}

/// When, after `begun`, the first and the last call were asked, and the last was answered.
fn times(calls: &[Exchange], begun: Instant) -> String {
    let first = calls.iter().map(|call| call.asked).min().unwrap();
    let last = calls.iter().map(|call| call.asked).max().unwrap();
    let answered = calls.iter().filter_map(|call| call.answered).max().unwrap();
    let [first, last, answered] = [first, last, answered].map(|moment| moment - begun);
    format!("asked {first:.2?} to {last:.2?}, answered by {answered:.2?}")
}

#[tokio::test]
async fn ten_jobs_at_once_do_not_wait_for_each_other() {
    let job = |n: u32| format!("j{n}~: {{schedule: '0 0 1 1 *', targets: '*', command: 'true'}}");
    let jobs: Vec<String> = (0..10).map(job).collect();
    let lab = SaltLab::find().unwrap();
    let address = lab.description().api_url.replace("http://", "");
    let front = Front::of(address.parse().unwrap()).await.unwrap();
    let site = site(&jobs.join("\n"), &[Setting::ApiAt(front.url(), None)]);
    let server = site.serve().await;
    server.run("j0~").await;
    let begun = Instant::now();
    server.run("j0~").await;
    println!("one: {:.2?}", begun.elapsed());
    let before = Cpu::of(&lab);
    let begun = Instant::now();
    let names: Vec<String> = (0..10).map(|n| format!("j{n}~")).collect();
    let runs = names.iter().map(|name| server.run(name));
    for (_, detail) in futures::future::join_all(runs).await {
        assert_eq!(codes(&detail), all(0));
    }
    println!("ten at once: {:.2?}", begun.elapsed());
    println!("processor time of {}", Cpu::of(&lab).since(&before));
    for function in ["test.ping", "cmd.run_all"] {
        let calls = calls(&front, begun, function);
        let most = at_once(&calls);
        let count = calls.len();
        println!(
            "{function}: {count} calls, {}, {most} at once",
            times(&calls, begun)
        );
        // Whoever waits for another's call asks only when that is answered.
        assert!(most > 1, "{function}: one at a time");
    }
}

#[tokio::test]
async fn a_start_costs_little_beyond_salts_own_answers() {
    const ROUNDS: usize = 5;
    let site = site(
        "quick~: {schedule: '0 0 1 1 *', targets: '*', command: 'true'}",
        &[],
    );
    let server = site.serve().await;
    server.run("quick~").await;
    let salt = crate::ways::Way::Api.connect(&site.lab);
    let mut plain = Vec::new();
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for function in ["test.ping", "cmd.run_all"] {
            let mut call = crate::ways::call("*", function);
            if function == "cmd.run_all" {
                call.kwargs.insert("cmd".to_owned(), "true".into());
            }
            let mut called = salt.call(call).await.unwrap();
            while called.returns.recv().await.is_some() {}
        }
        plain.push(begun.elapsed());
        let (_, detail) = server.run("quick~").await;
        let created = detail.summary.created;
        let started = detail
            .machines
            .iter()
            .filter_map(|row| row.state.started_at());
        ours.push(started.max().unwrap().since(created));
    }
    plain.sort_unstable();
    ours.sort_unstable();
    println!(
        "Salt's own ping and command: {plain:?}; from a run's beginning to the command's start everywhere: {ours:?}"
    );
}
