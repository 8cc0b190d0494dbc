use super::*;
use crate::store::faults::CommitFailure;
use saltpeter_domain::storage::CALM;

fn commits(kept: Kept) -> (Commits, Faults, Health) {
    let (faults, health) = (Faults::default(), Health::default());
    let file = Path::new("/var/lib/saltpeter/x.db");
    (
        Commits::new(kept, file, health.clone(), faults.clone()),
        faults,
        health,
    )
}

async fn commit(commits: &Commits) -> Result<(), sqlx::Error> {
    commits.watch(async { Ok(()) }).await
}

#[tokio::test(start_paused = true)]
async fn trouble_begins_with_a_failed_commit_and_ends_when_they_go_well_for_a_while() {
    let (state, faults, health) = commits(Kept::State);
    commit(&state).await.unwrap();
    assert!(health.troubles().is_empty());
    faults.set_failure(Some(CommitFailure::ReadOnly));
    assert!(commit(&state).await.is_err());
    let first = health.state_failure().unwrap();
    assert_eq!(first.problem, Problem::ReadOnly);
    assert!(state.failing());
    faults.set_failure(Some(CommitFailure::Io));
    assert!(commit(&state).await.is_err());
    let then = health.state_failure().unwrap();
    assert!(matches!(then.problem, Problem::Failing(_)));
    assert_eq!(then.since, first.since, "it is still the same trouble");

    // Now and then one goes through.
    let told = health.subscribe();
    for _ in 0..20 {
        faults.set_failure(None);
        commit(&state).await.unwrap();
        tokio::time::advance(CALM / 2).await;
        commit(&state).await.unwrap();
        faults.set_failure(Some(CommitFailure::Io));
        assert!(commit(&state).await.is_err());
    }
    assert!(!told.has_changed().unwrap() && state.failing());

    faults.set_failure(None);
    commit(&state).await.unwrap();
    tokio::time::advance(CALM).await;
    commit(&state).await.unwrap();
    assert!(health.troubles().is_empty() && !state.failing());
}

#[test]
fn a_disk_has_the_room_that_it_tells_of() {
    assert!(room(Path::new(env!("CARGO_MANIFEST_DIR"))).is_some_and(|room| room > 0));
    assert_eq!(room(Path::new("/proc/self/stat")), None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_commit_is_said_while_it_lasts() {
    let (output, faults, health) = commits(Kept::Output);
    faults.set_commit_delay(Duration::from_mins(1));
    let going = tokio::spawn({
        let output = output.clone();
        async move { commit(&output).await }
    });
    let mut troubles = health.subscribe();
    troubles.wait_for(|all| !all.is_empty()).await.unwrap();
    assert_eq!(health.troubles()[0].problem, Problem::Slow);
    assert!(!output.failing(), "slow is not failing");
    going.await.unwrap().unwrap();
    assert!(health.troubles().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_slowly_still_fails() {
    let (state, faults, health) = commits(Kept::State);
    faults.set_failure(Some(CommitFailure::Full));
    assert!(commit(&state).await.is_err());
    faults.set_commit_delay(SLOW * 3);
    let troubles = health.subscribe();
    assert!(commit(&state).await.is_err());
    assert!(!troubles.has_changed().unwrap() && state.failing());
}

#[test]
fn one_disk_is_told_of_once() {
    let since = Instant::now();
    let full = |kept, file: &str| Trouble {
        kept,
        problem: Problem::Full,
        file: file.into(),
        since,
        recovery: Recovery::default(),
    };
    let both = [
        full(Kept::Output, "/data/output.db"),
        full(Kept::State, "/data/saltpeter.db"),
    ];
    let told = Trouble::sentences(&both);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].1,
        "The disk of /data is full: nothing new starts, and what is shown may be behind; commands go on on their machines; \
         output waits on the machines, and nothing of it is lost. All goes on by itself when there is room."
    );
    assert_eq!(
        Trouble::sentences(&both[..1]),
        [(since, both[0].sentence())]
    );
}

#[test]
fn an_operator_reads_what_it_is_what_it_means_and_what_to_do() {
    let problems = [
        Problem::Full,
        Problem::ReadOnly,
        Problem::Damaged,
        Problem::Slow,
        Problem::Failing("disk I/O error".to_owned()),
    ];
    let sentences: Vec<String> = [Kept::State, Kept::Output]
        .into_iter()
        .flat_map(|kept| {
            problems.clone().map(|problem| {
                Trouble {
                    kept,
                    problem,
                    file: "/var/lib/saltpeter/x.db".into(),
                    since: Instant::now(),
                    recovery: Recovery::default(),
                }
                .sentence()
            })
        })
        .collect();
    insta::assert_snapshot!(sentences.join("\n"));
}
