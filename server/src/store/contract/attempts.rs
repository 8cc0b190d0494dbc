//! What is kept of machines that are tried again or come back, and of runs that stop.

use super::*;
use saltpeter_domain::failures::FailureLimit;
use saltpeter_domain::retry::{Backoff, Retry};
use saltpeter_domain::run::MachineExit;
use saltpeter_protocol::machine::v2::Exit;
use std::num::NonZeroU32;

/// Machine `name`'s wrapper `id` has started the command, which ends with `code`.
async fn run_through(store: &Store, run: &mut Run, name: &str, id: u64, code: i32) {
    let hello = Input::Hello {
        machine: machine(name),
        speaker: Speaker::V2(WrapperId(id)),
        progress: Progress::Started { pid: 1, at: NOW },
    };
    apply(store, run, hello).await;
    let ended = Input::Ended {
        machine: machine(name),
        exit: MachineExit::V2(Exit::Exited { code }),
    };
    apply(store, run, ended).await;
}

#[tokio::test]
async fn attempts_stops_and_outcomes_that_did_not_hold_come_back() {
    let bed = Bed::new().await;
    let mut new = new_run("tick", by_hand());
    let mut spec = spec();
    spec.batch_size = NonZeroU32::new(2);
    spec.max_failures = Some(FailureLimit::Percent(20));
    spec.retry = Some(Retry {
        more: NonZeroU32::MIN,
        delay: Duration::from_secs(1),
        backoff: Backoff::Exponential,
    });
    new.spec = Arc::new(spec);
    let mut run = bed.store.create_run(new).await.unwrap();
    let resolution = Resolution {
        machines: ["a", "b", "c"].map(machine).to_vec(),
        ..Resolution::default()
    };
    apply(&bed.store, &mut run, Input::Resolved(resolution)).await;
    run_through(&bed.store, &mut run, "a", u64::MAX, 3).await;
    let back = bed.store.run(run.id()).await.unwrap().unwrap();
    assert_eq!(back, as_stored(&run), "it waits for its next attempt");

    let later = NOW + Duration::from_secs(1);
    let hello = Input::Hello {
        machine: machine("b"),
        speaker: Speaker::V1,
        progress: Progress::New,
    };
    apply(&bed.store, &mut run, hello).await;
    for at in [
        later,
        NOW + Duration::from_mins(1),
        NOW + Duration::from_hours(1),
    ] {
        let step = run.apply(Input::Tick, at).unwrap();
        let write = RunWrite::of(&run, &step.changed);
        bed.store.save(write).await.unwrap();
    }
    // b was given up and comes back.
    let heard = Input::Heard {
        machine: machine("b"),
    };
    apply(&bed.store, &mut run, heard).await;
    assert!(run.head().stopped.is_some());
    assert!(run.machines()["b"].replaced.is_some());
    assert_eq!(run.machines()["a"].earlier.len(), 1);
    let bed = bed.reopen().await;
    let back = bed.store.run(run.id()).await.unwrap().unwrap();
    assert_eq!(back, as_stored(&run));
    let history = bed.store.history(&job("tick"), 1).await.unwrap();
    assert_eq!(history, [back.summary()]);
}
