//! What deletions leave, and a file that is damaged or may not be written.

use super::*;
use crate::store::{EndedRuns, Place};

#[tokio::test]
async fn a_deleted_run_is_gone_with_its_machines_and_its_instant_stays_taken() {
    let bed = Bed::new().await;
    let mut run = bed
        .store
        .create_run(new_run("tick", scheduled(5000)))
        .await
        .unwrap();
    let mut kept = new_run("tick", scheduled(6000));
    kept.state = over(RunOutcome::NoTargets, 9000);
    let kept = bed.store.create_run(kept).await.unwrap();
    // More machines than one step deletes.
    let resolution = Resolution {
        machines: (0..1500).map(|n| machine(&format!("m{n:04}"))).collect(),
        ..Resolution::default()
    };
    apply(&bed.store, &mut run, Input::Resolved(resolution)).await;
    let together = async || bed.store.jobs_with_ended_runs(None, 10).await.unwrap();
    let mut of_tick = EndedRuns {
        job: job("tick"),
        runs: 1,
        bytes: 0,
        oldest: UnixMillis(9000),
    };
    assert_eq!(together().await, [of_tick.clone()]);
    let step = run.apply(Input::Tick, NOW).unwrap();
    let mut late = RunWrite::of(&run, &step.changed);
    late.state = over(RunOutcome::NoTargets, 8000);
    bed.store.save(late.clone()).await.unwrap();

    let unmeasured = bed.store.unmeasured(UnixMillis(8500), 10).await.unwrap();
    assert_eq!(unmeasured.len(), 1);
    let (seq, id) = unmeasured[0].clone();
    assert_eq!(id, *run.id());
    bed.store.set_output(vec![(seq, 77)]).await.unwrap();
    let ended = bed.store.oldest_ended(&job("tick"), Place::FIRST, 10).await;
    let listed: Vec<_> = ended
        .unwrap()
        .iter()
        .map(|run| (run.place.at.0, run.bytes))
        .collect();
    assert_eq!(listed, [(8000, 77), (9000, 0)]);
    of_tick.runs = 2;
    of_tick.bytes = 77;
    of_tick.oldest = UnixMillis(8000);
    assert_eq!(together().await, [of_tick]);
    // What changes after its end is measured anew.
    bed.store.save(late.clone()).await.unwrap();
    let unmeasured = bed.store.unmeasured(UnixMillis(8500), 10).await.unwrap();
    assert_eq!(unmeasured.len(), 1);

    bed.store.delete_run(seq).await.unwrap();
    assert_eq!(bed.store.run(run.id()).await.unwrap(), None);
    let machines: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM run_machines")
        .fetch_one(&bed.store.readers)
        .await
        .unwrap();
    assert_eq!(machines, 0);
    // A word that comes too late harms nothing.
    bed.store.save(late).await.unwrap();

    let bed = bed.reopen().await;
    for instant in [4000, 5000] {
        let again = bed
            .store
            .create_run(new_run("tick", scheduled(instant)))
            .await;
        assert!(matches!(again, Err(CreateError::Deleted)), "{again:?}");
    }
    let same = bed.store.create_run(new_run("tick", scheduled(6000))).await;
    assert!(matches!(same, Err(CreateError::AlreadyStarted(id)) if id == *kept.id()));
    bed.store
        .create_run(new_run("tick", scheduled(7000)))
        .await
        .unwrap();
    bed.store
        .create_run(new_run("tock", scheduled(5000)))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_file_gets_smaller_also_one_of_an_earlier_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saltpeter.db");
    let mut earlier = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap();
    sqlx::migrate!("./migrations/runs")
        .run(&mut earlier)
        .await
        .unwrap();
    earlier.close().await.unwrap();

    let store = Store::open(&path).await.unwrap();
    let mut seqs = Vec::new();
    for n in 0..100 {
        let mut run = store
            .create_run(new_run("tick", scheduled(n)))
            .await
            .unwrap();
        let resolution = Resolution {
            machines: (0..100).map(|n| machine(&format!("m{n:04}"))).collect(),
            ..Resolution::default()
        };
        apply(&store, &mut run, Input::Resolved(resolution)).await;
        seqs.push(n + 1);
    }
    store.close().await;
    let full = std::fs::metadata(&path).unwrap().len();
    let store = Store::open(&path).await.unwrap();
    for seq in seqs {
        store.delete_run(seq).await.unwrap();
    }
    store.close().await;
    let left = std::fs::metadata(&path).unwrap().len();
    assert!(left < full / 4, "{left} of {full}");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_as_it_is() {
    for (at, what) in [(0, "header"), (4096 * 3, "page")] {
        let bed = Bed::new().await;
        bed.store
            .create_run(new_run("tick", scheduled(1)))
            .await
            .unwrap();
        let Bed { directory, store } = bed;
        store.close().await;
        let path = directory.path().join("saltpeter.db");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at..at + 100].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path).await.err().unwrap().to_string();
        assert!(error.contains("damaged"), "{what}: {error}");
        assert!(error.contains(path.to_str().unwrap()), "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what} was touched");
    }
}

#[tokio::test]
async fn a_disk_that_is_read_only_at_the_start_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        let done = command.args(arguments).arg(disk).status().unwrap();
        assert!(
            done.success(),
            "this test mounts a small disk, which takes root"
        );
    };
    run("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs"]);
    let path = disk.join("saltpeter.db");
    Store::open(&path).await.unwrap().close().await;
    run("mount", &["-o", "remount,ro"]);
    let error = Store::open(&path)
        .await
        .err()
        .map(|error| error.to_string());
    run("umount", &["-l"]);
    let error = error.unwrap();
    assert!(
        error.contains("read-only") && error.contains(path.to_str().unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn what_the_database_takes_back_by_itself_does_not_end_the_writing() {
    let bed = Bed::new().await;
    let mut saboteur = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(bed.directory.path().join("saltpeter.db"))
        .connect()
        .await
        .unwrap();
    // As on a full disk, where the database rolls the transaction back by itself.
    sqlx::query(
        "CREATE TRIGGER sabotage BEFORE INSERT ON meta BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
    )
    .execute(&mut saboteur)
    .await
    .unwrap();
    for _ in 0..3 {
        let error = bed.store.set_meta("room", "no").await.unwrap_err();
        assert!(error.to_string().contains("full"), "{error}");
    }
    sqlx::query("DROP TRIGGER sabotage")
        .execute(&mut saboteur)
        .await
        .unwrap();
    bed.store.set_meta("room", "yes").await.unwrap();
    let room = bed.store.meta("room").await.unwrap();
    assert_eq!(room.as_deref(), Some("yes"));
}
