//! A machine that was given up and is heard again.

use saltpeter_protocol::api::RunDetail;
use saltpeter_protocol::{MachineOutcome, MachineState, RunOutcome};
use saltpeter_testkit::Site;
use std::process::Command;

/// A wrapper that has been stopped, as if its host hung. It goes on when this is dropped.
struct Stopped(u32);

impl Stopped {
    /// Stops the wrapper that is the parent of the command's shell.
    fn parent_of(shell: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{shell}/status")).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let stopped = Self(parent.unwrap().trim().parse().unwrap());
        assert!(stopped.signal("-STOP"));
        stopped
    }

    fn signal(&self, signal: &str) -> bool {
        let kill = Command::new("kill")
            .args([signal, &self.0.to_string()])
            .status();
        kill.is_ok_and(|status| status.success())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Takes as long as the silence after which contact counts as lost.
#[tokio::test]
async fn its_real_outcome_replaces_the_guess_and_both_are_told_of() {
    let site = Site::new(&["m1"], "{}").unwrap();
    let gate = site.path("gate");
    // What a test that was killed left behind keeps the lock of its name.
    let job = format!("returns{}", std::process::id());
    let jobs = format!(
        "{job}: {{ min: 0, hour: 0, dom: 1, mon: 1, dow: '*', targets: m1, reconnect_grace: 1, \
         command: 'echo begun; until [ -e {} ]; do sleep 0.05; done; echo over' }}\n",
        gate.display()
    );
    site.write("jobs.yaml", &jobs).unwrap();
    let server = site.serve().await.unwrap();
    let run = server.client.run_now(&job).await.unwrap();
    server.client.until_written(&run, "m1", 6).await.unwrap();
    // Its first output may be there before the word that it has begun.
    let begun = |detail: &RunDetail| detail.machines[0].pid.is_some();
    let detail = server.client.until(&run, begun).await.unwrap();
    let stopped = Stopped::parent_of(detail.machines[0].pid.unwrap());
    let silent = |detail: &RunDetail| {
        let state = &detail.machines[0].state;
        matches!(state, MachineState::LostContact { .. })
    };
    server.client.until(&run, silent).await.unwrap();
    let detail = server.client.until_over(&run).await.unwrap();
    assert_eq!(detail.summary.state.outcome(), Some(&RunOutcome::Lost));
    assert_eq!(detail.machines[0].replaced, None);

    drop(stopped);
    std::fs::write(gate, "").unwrap();
    let back = |detail: &RunDetail| {
        let outcome = detail.summary.state.outcome();
        outcome.is_some_and(RunOutcome::is_success)
    };
    let detail = server.client.until(&run, back).await.unwrap();
    let replaced = detail.machines[0].replaced.as_ref().unwrap();
    assert_eq!(replaced.outcome, MachineOutcome::Lost);
    assert!(replaced.given <= replaced.returned);
    let output = server.client.output(&run, "m1").await.unwrap();
    assert_eq!(output, b"begun\nover\n");
    server.stop().await.unwrap();
    let log = std::fs::read_to_string(site.path("logs").join(format!("{job}.log"))).unwrap();
    let at = |text: &str| {
        log.find(text)
            .unwrap_or_else(|| panic!("{text:?} in {log}"))
    };
    let order = [
        "**** Exit Code 253 ******",
        "it was given up as lost (exit code 253), and its real outcome follows",
        "**** Exit Code 0 ******\nbegun\nover\n",
    ]
    .map(at);
    assert!(order.is_sorted(), "{log}");
}
