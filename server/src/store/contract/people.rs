//! What is kept of people, and the rules that hold whatever is written at the same time.

use super::*;
use crate::people::{
    Identity, KeyHash, MAX_SESSIONS, PeopleStore, PeopleWrite, Session, Token, User,
};
use saltpeter_domain::access::{Access, Groups, Role, UserName};

fn name(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

fn user(text: &str, role: Role, groups: &[&str]) -> User {
    User {
        name: name(text),
        access: Access {
            role,
            groups: Groups::of(groups.iter().copied()),
        },
        password: Some(Secret::new("$argon2id$")),
        identity: None,
        created: NOW,
        created_by: "somebody".to_owned(),
    }
}

fn login(key: &str, of: &str, at: UnixMillis) -> PeopleWrite {
    PeopleWrite::AddSession {
        key: KeyHash::of(key),
        session: Session {
            seq: 0,
            user: name(of),
            created: at,
            seen: at,
            from: "::1".to_owned(),
            agent: "<b>".to_owned(),
        },
        created_before: NOW,
        seen_before: NOW,
    }
}

#[tokio::test]
async fn people_sessions_and_tokens_come_back_as_they_were() {
    let bed = Bed::new().await;
    let ana = user("ana", Role::Admin, &[]);
    let bor = user("bor", Role::Operator, &["db", "we,b\""]);
    assert!(!bed.store.has_users().await.unwrap());
    for user in [&ana, &bor] {
        let write = PeopleWrite::AddUser(user.clone());
        assert_eq!(bed.store.change(write).await.unwrap(), 1);
    }
    assert_eq!(bed.store.change(login("k", "bor", NOW)).await.unwrap(), 1);
    let token = Token {
        name: "t".to_owned(),
        access: bor.access.clone(),
        created: NOW,
        created_by: "ana".to_owned(),
        expires: NOW + Duration::from_secs(1),
        seen: None,
    };
    let write = PeopleWrite::AddToken(KeyHash::of("x"), token.clone());
    assert_eq!(bed.store.change(write.clone()).await.unwrap(), 1);
    assert_eq!(
        bed.store.change(write).await.unwrap(),
        0,
        "its name is taken"
    );

    let bed = bed.reopen().await;
    assert!(bed.store.has_users().await.unwrap());
    assert_eq!(bed.store.users().await.unwrap(), [ana, bor.clone()]);
    let found = bed.store.session(&KeyHash::of("k")).await.unwrap();
    let (session, of) = found.unwrap();
    assert_eq!((session.created, of), (NOW, bor));
    assert_eq!(
        bed.store.tokens().await.unwrap(),
        std::slice::from_ref(&token)
    );
    assert_eq!(
        bed.store.token(&KeyHash::of("x")).await.unwrap(),
        Some(token)
    );
    assert_eq!(bed.store.token(&KeyHash::of("y")).await.unwrap(), None);
    // Who goes takes the sessions along.
    let gone = PeopleWrite::RemoveUser(name("bor"));
    assert_eq!(bed.store.change(gone).await.unwrap(), 1);
    assert_eq!(bed.store.session(&KeyHash::of("k")).await.unwrap(), None);
    let late = bed.store.change(login("late", "bor", NOW)).await;
    assert_eq!(late.unwrap(), 0, "a login that was under way");
}

#[tokio::test]
async fn there_is_one_first_user_and_always_an_admin() {
    let bed = Bed::new().await;
    let first = |text| PeopleWrite::AddFirstUser(user(text, Role::Admin, &[]));
    let (one, other) = tokio::join!(
        bed.store.change(first("ana")),
        bed.store.change(first("eve"))
    );
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    let admin = bed.store.users().await.unwrap().remove(0).name;
    let viewer = Access {
        role: Role::Viewer,
        groups: Groups::All,
    };
    let demote = |name: &UserName| PeopleWrite::SetAccess(name.clone(), viewer.clone());
    let remove = |name: &UserName| PeopleWrite::RemoveUser(name.clone());
    assert_eq!(bed.store.change(demote(&admin)).await.unwrap(), 0);
    assert_eq!(bed.store.change(remove(&admin)).await.unwrap(), 0);
    let second = PeopleWrite::AddUser(user("bor", Role::Admin, &[]));
    assert_eq!(bed.store.change(second).await.unwrap(), 1);
    // Both at once: one of them stays.
    let bor = name("bor");
    let (one, other) = tokio::join!(
        bed.store.change(remove(&admin)),
        bed.store.change(demote(&bor))
    );
    assert_eq!(one.unwrap() + other.unwrap(), 1);
}

#[tokio::test]
async fn sessions_are_bounded_and_old_ones_swept() {
    let bed = Bed::new().await;
    let write = PeopleWrite::AddFirstUser(user("ana", Role::Admin, &[]));
    bed.store.change(write).await.unwrap();
    let old = NOW - Duration::from_secs(1);
    bed.store.change(login("old", "ana", old)).await.unwrap();
    for number in 0..=MAX_SESSIONS {
        let write = login(&number.to_string(), "ana", NOW);
        assert_eq!(bed.store.change(write).await.unwrap(), 1);
    }
    let sessions = bed.store.sessions(&name("ana")).await.unwrap();
    assert_eq!(sessions.len(), MAX_SESSIONS as usize);
    for (key, there) in [("old", false), ("0", false), ("1", true)] {
        let found = bed.store.session(&KeyHash::of(key)).await.unwrap();
        assert_eq!(found.is_some(), there, "{key}");
    }
}

#[tokio::test]
async fn a_providers_people_are_known_by_what_it_calls_them() {
    let bed = Bed::new().await;
    let identity = |issuer: &str, subject: &str| Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    };
    let ana = User {
        password: None,
        identity: Some(identity("https://sso", "1")),
        ..user("ana", Role::Admin, &[])
    };
    let add = |user: &User| bed.store.change(PeopleWrite::AddUser(user.clone()));
    assert_eq!(add(&ana).await.unwrap(), 1);
    let again = User {
        name: name("other"),
        ..ana.clone()
    };
    assert_eq!(add(&again).await.unwrap(), 0, "one account for each");
    for neighbour in ["bor", "eve"] {
        assert_eq!(add(&user(neighbour, Role::Viewer, &[])).await.unwrap(), 1);
    }
    for (issuer, subject, there) in [
        ("https://sso", "1", true),
        ("https://sso", "2", false),
        ("https://other", "1", false),
    ] {
        let found = bed.store.user_of(&identity(issuer, subject)).await;
        assert_eq!(found.unwrap().is_some(), there, "{issuer} {subject}");
    }
    // What the provider says holds, also of the only admin.
    let access = user("x", Role::Operator, &["db"]).access;
    let set = |subject| PeopleWrite::SetProvided(identity("https://sso", subject), access.clone());
    assert_eq!(bed.store.change(set("1")).await.unwrap(), 1);
    assert_eq!(bed.store.change(set("2")).await.unwrap(), 0);
    let bed = bed.reopen().await;
    let found = bed.store.user(&name("ana")).await.unwrap().unwrap();
    assert_eq!((found.access, found.identity), (access, ana.identity));
}
