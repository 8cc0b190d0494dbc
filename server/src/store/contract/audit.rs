//! The audit trail: what is put down stays as it is until its time is over.

use super::*;
use crate::store::audit::{Place, Wanted};
use saltpeter_domain::Maintenance;
use saltpeter_domain::audit::{Entry, Kind};
use saltpeter_domain::maintenance::past::Change;
use sqlx::sqlite::SqliteConnectOptions;

fn entry(at: i64, who: &str, kind: Kind) -> Entry {
    Entry {
        at: UnixMillis(at),
        who: who.to_owned(),
        from: Some("192.0.2.7".to_owned()),
        kind,
        deed: format!("did something at {at}"),
        old: (kind == Kind::Change).then(|| "on".to_owned()),
        new: (kind == Kind::Change).then(|| "off".to_owned()),
    }
}

async fn filled() -> (Bed, Vec<Entry>) {
    let bed = Bed::new().await;
    let entries = vec![
        entry(10, "anna", Kind::Login),
        entry(20, "anna", Kind::Change),
        entry(30, "token ci", Kind::Action),
        entry(40, "bert", Kind::LoginRefused),
        entry(50, "anna", Kind::Action),
    ];
    for entry in &entries {
        bed.store.add_audit(entry.clone(), None).await.unwrap();
    }
    (bed, entries)
}

async fn read(bed: &Bed, wanted: &Wanted, place: Place) -> Vec<(i64, Entry)> {
    bed.store.audit(wanted, place, 2).await.unwrap()
}

#[tokio::test]
async fn entries_come_back_page_by_page_and_by_who_what_and_when() {
    let (bed, entries) = filled().await;
    let bed = bed.reopen().await;
    let all = Wanted::default();
    let numbered = |at: &[usize]| -> Vec<(i64, Entry)> {
        at.iter()
            .map(|at| (*at as i64, entries[at - 1].clone()))
            .collect()
    };
    assert_eq!(read(&bed, &all, Place::NEWEST).await, numbered(&[5, 4]));
    assert_eq!(read(&bed, &all, Place::Before(4)).await, numbered(&[3, 2]));
    assert_eq!(read(&bed, &all, Place::OLDEST).await, numbered(&[1, 2]));
    assert_eq!(read(&bed, &all, Place::After(4)).await, numbered(&[5]));
    let anna = Wanted {
        who: Some("anna".to_owned()),
        ..Wanted::default()
    };
    assert_eq!(read(&bed, &anna, Place::NEWEST).await, numbered(&[5, 2]));
    let done = Wanted {
        kind: Some(Kind::Action),
        ..anna
    };
    assert_eq!(read(&bed, &done, Place::NEWEST).await, numbered(&[5]));
    let between = Wanted {
        since: Some(UnixMillis(20)),
        until: Some(UnixMillis(40)),
        ..Wanted::default()
    };
    assert_eq!(read(&bed, &between, Place::NEWEST).await, numbered(&[3, 2]));
}

#[tokio::test]
async fn nothing_but_age_takes_an_entry_away_and_nothing_changes_one() {
    let (bed, _) = filled().await;
    let mut connection = SqliteConnectOptions::new()
        .filename(bed.directory.path().join("saltpeter.db"))
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    for forbidden in [
        "UPDATE audit SET who = 'nobody'",
        "UPDATE audit SET at = 0 WHERE seq = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit_kept",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut connection).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("audit trail"), "{forbidden}: {error}");
    }
    assert_eq!(bed.store.forget_audit(UnixMillis(30)).await.unwrap(), 2);
    let left = bed.store.audit(&Wanted::default(), Place::OLDEST, 10).await;
    let left: Vec<i64> = left.unwrap().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(left, [3, 4, 5]);
    for forbidden in [
        "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit_kept SET since = 0",
    ] {
        assert!(
            sqlx::query(forbidden)
                .execute(&mut connection)
                .await
                .is_err(),
            "{forbidden}"
        );
    }
    // An earlier time takes nothing, and numbers are not used again.
    assert_eq!(bed.store.forget_audit(UnixMillis(5)).await.unwrap(), 0);
    assert_eq!(bed.store.forget_audit(UnixMillis(1000)).await.unwrap(), 3);
    bed.store
        .add_audit(entry(2000, "anna", Kind::Logout), None)
        .await
        .unwrap();
    let page = bed.store.audit(&Wanted::default(), Place::NEWEST, 10).await;
    assert_eq!(page.unwrap()[0].0, 6);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_maintenance_became_is_read_as_far_back_as_it_matters() {
    let bed = Bed::new().await;
    let nothing = Maintenance::default();
    let of = |group: &str, until: Option<i64>| Maintenance {
        groups: [group.to_owned()].into(),
        by: Some("olga".to_owned()),
        until: until.map(UnixMillis),
        ..Maintenance::default()
    };
    let became = [
        (10, Kind::Action, nothing.clone()),
        (20, Kind::Change, of("db", Some(25))),
        (30, Kind::Reload, of("web", None)),
        (40, Kind::Change, nothing),
        (50, Kind::Reload, of("db", None)),
    ];
    for (at, kind, became) in &became {
        let told = bed.store.add_audit(entry(*at, "anna", *kind), Some(became));
        told.await.unwrap();
        let other = bed.store.add_audit(entry(*at, "anna", Kind::Login), None);
        other.await.unwrap();
    }
    let change = |index: usize, by: Option<&str>| {
        let (at, _, became) = &became[index];
        Change {
            at: UnixMillis(*at),
            by: by.map(str::to_owned),
            became: became.clone(),
        }
    };
    // Whoever changed it, or whom the files name where it was found in them.
    let changes = [
        change(0, None),
        change(1, Some("anna")),
        change(2, Some("olga")),
        change(3, Some("anna")),
        change(4, Some("olga")),
    ];
    for (from, index) in [
        (60, 3),
        (40, 3),
        (39, 1),
        // What had an end by then, and what was before it, has nothing to do with that.
        (25, 1),
        (24, 0),
        (5, 0),
    ] {
        let read = bed.store.maintenance_since(UnixMillis(from)).await.unwrap();
        assert_eq!(read, changes[index..], "{from}");
    }
}
