//! The clock is set while machines run.

use super::bed::{Bed, GRACE, NEW, Wrapper, machine};
use saltpeter_domain::job::Overlap;
use saltpeter_protocol::{MachineOutcome, MachineState, RunId};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

async fn two_running(bed: &mut Bed) -> (RunId, Wrapper, Wrapper) {
    let run = bed.start_now(Overlap::Skip).await;
    bed.resolve(&["a", "b"]).await;
    bed.launched().await;
    let a = Wrapper::connect(&bed.runs, &run, "a", 1, NEW).await;
    let b = Wrapper::connect(&bed.runs, &run, "b", 2, NEW).await;
    a.started().await;
    b.started().await;
    (run, a, b)
}

fn state(bed: &Bed, run: &RunId, name: &str) -> MachineState {
    bed.store.get(run).machines()[&machine(name)].state.clone()
}

#[tokio::test(start_paused = true)]
async fn nobody_is_lost_because_the_clock_was_set_forward() {
    let mut bed = Bed::new();
    let (run, a, b) = two_running(&mut bed).await;
    bed.clock.step(HOUR);
    for _ in 0..20 {
        b.heard().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        for name in ["a", "b"] {
            let state = state(&bed, &run, name);
            assert!(matches!(state, MachineState::Running { .. }), "{state:?}");
        }
        a.heard().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_silent_are_lost_in_time_although_the_clock_was_set_back() {
    let mut bed = Bed::new();
    let (run, _a, b) = two_running(&mut bed).await;
    bed.clock.step_back(HOUR);
    b.heard().await;
    tokio::time::sleep(GRACE + Duration::from_secs(20)).await;
    let state = state(&bed, &run, "a");
    assert_eq!(state.outcome(), Some(&MachineOutcome::Lost), "{state:?}");
}
