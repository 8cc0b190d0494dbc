//! What a real salt-api cannot be made to say, said by one that is played.

use super::{Credentials, Password, SaltApi};
use crate::clock::SystemClock;
use crate::salt::{Call, Heard, Salt as _, SaltError, Target};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt as _;
use saltpeter_domain::Secret;
use saltpeter_domain::targeting::TargetType;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::broadcast;

/// A salt-api that counts what it is asked.
struct Played {
    logins: AtomicUsize,
    published: AtomicUsize,
    looked_up: AtomicUsize,
    /// The login whose token is good.
    good: AtomicUsize,
    /// How long tokens live, in seconds.
    life: f64,
    /// What it answers to calls in place of taking them.
    refusal: Mutex<Option<(StatusCode, &'static str)>>,
    /// Returns that the job cache has, of any job.
    remembered: Mutex<Map<String, Value>>,
    /// What the open event streams say next; `None` breaks them.
    events: broadcast::Sender<Option<String>>,
}

type Asked = State<Arc<Played>>;

impl Played {
    async fn start(life: f64) -> (Arc<Self>, SaltApi) {
        let played = Arc::new(Self {
            logins: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            looked_up: AtomicUsize::new(0),
            good: AtomicUsize::new(0),
            life,
            refusal: Mutex::new(None),
            remembered: Mutex::default(),
            events: broadcast::Sender::new(64),
        });
        let router = Router::new()
            .route("/salt/login", post(login))
            .route("/salt/events", get(events))
            .route("/salt/jobs/{jid}", get(job))
            .route("/salt/", post(publish))
            .with_state(Arc::clone(&played));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/salt", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        let credentials = Credentials {
            user: "anna".to_owned(),
            eauth: "pam".to_owned(),
            password: Password::Given(Secret::new("secret")),
        };
        let salt = SaltApi::new(&url, credentials, None, Arc::new(SystemClock)).unwrap();
        (played, salt)
    }

    fn refuse(&self, status: StatusCode, text: &'static str) {
        *self.refusal.lock().unwrap() = Some((status, text));
    }

    /// Has `machine` return a call, as the event bus tells it.
    fn say_return(&self, jid: &str, machine: &str) {
        let tag = format!("salt/job/{jid}/ret/{machine}");
        let data = json!({"tag": tag, "data": {"id": machine, "return": machine, "retcode": 0}});
        let _ = self
            .events
            .send(Some(format!("tag: {tag}\ndata: {data}\n\n")));
    }

    /// The refusal of whoever has not the good token.
    fn refused(&self, headers: &HeaderMap) -> Option<Response> {
        let good = format!("token {}", self.good.load(Ordering::SeqCst));
        if headers
            .get("X-Auth-Token")
            .is_some_and(|token| token == good.as_str())
        {
            return None;
        }
        let page = "<p>No permission -- see authorization schemes</p>";
        Some((StatusCode::UNAUTHORIZED, page).into_response())
    }
}

async fn login(State(played): Asked, headers: HeaderMap) -> Response {
    assert!(headers.get("X-Auth-Token").is_none());
    // Long enough for others to come meanwhile.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let number = played.logins.fetch_add(1, Ordering::SeqCst) + 1;
    played.good.store(number, Ordering::SeqCst);
    let token = format!("token {number}");
    let login = json!({"token": token, "start": 1000.0, "expire": 1000.0 + played.life});
    Json(json!({"return": [login]})).into_response()
}

async fn publish(State(played): Asked, headers: HeaderMap, Json(low): Json<Value>) -> Response {
    if let Some(refused) = played.refused(&headers) {
        return refused;
    }
    played.published.fetch_add(1, Ordering::SeqCst);
    if let Some(refusal) = *played.refusal.lock().unwrap() {
        return refusal.into_response();
    }
    let made = json!({"jid": low[0]["jid"], "minions": low[0]["tgt"]});
    Json(json!({"return": [made]})).into_response()
}

async fn job(State(played): Asked, headers: HeaderMap, Path(jid): Path<String>) -> Response {
    if let Some(refused) = played.refused(&headers) {
        return refused;
    }
    played.looked_up.fetch_add(1, Ordering::SeqCst);
    let result = played.remembered.lock().unwrap().clone();
    Json(json!({"info": [{"jid": jid, "Minions": [], "Result": result}]})).into_response()
}

async fn events(State(played): Asked, headers: HeaderMap) -> Response {
    if let Some(refused) = played.refused(&headers) {
        return refused;
    }
    let said = futures::stream::unfold(played.events.subscribe(), |mut said| async {
        let piece = said.recv().await.ok()??;
        Some((piece, said))
    });
    let begun = futures::stream::iter(["retry: 400\n".to_owned()]);
    let pieces = begun
        .chain(said)
        .map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    Body::from_stream(pieces).into_response()
}

fn ping(machines: &str, wait: Duration) -> Call {
    Call {
        target: Target {
            target_type: TargetType::List,
            text: machines.to_owned(),
        },
        function: "test.ping",
        args: Vec::new(),
        kwargs: Map::new(),
        jid: None,
        wait,
    }
}

const LONG: Duration = Duration::from_secs(30);
const HALF_A_DAY: f64 = 43_200.0;

fn name(heard: Option<Heard>) -> String {
    match heard {
        Some(Heard::Returned(of)) => of.machine.to_string(),
        Some(Heard::Silent(machine)) => format!("{machine} is silent"),
        None => "the end".to_owned(),
    }
}

#[tokio::test]
async fn ten_first_calls_share_one_login_and_one_stream() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    let calls = (0..10).map(|_| salt.call(ping("web1", LONG)));
    for called in futures::future::join_all(calls).await {
        called.unwrap();
    }
    assert_eq!(played.logins.load(Ordering::SeqCst), 1);
    assert_eq!(played.events.receiver_count(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_when_its_end_is_near_and_when_it_is_lost() {
    // Nine tenths of half a second.
    let (played, salt) = Played::start(0.5).await;
    salt.call(ping("web1", LONG)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(460)).await;
    salt.call(ping("web1", LONG)).await.unwrap();
    assert_eq!(played.logins.load(Ordering::SeqCst), 2);

    let (played, salt) = Played::start(HALF_A_DAY).await;
    salt.call(ping("web1", LONG)).await.unwrap();
    played.good.store(77, Ordering::SeqCst);
    let calls = (0..10).map(|_| salt.call(ping("web1", LONG)));
    for called in futures::future::join_all(calls).await {
        called.unwrap();
    }
    assert_eq!(played.logins.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_machine_that_returns_twice_is_heard_once_and_foreign_jobs_are_not() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    let mut called = salt.call(ping("web1,web2", LONG)).await.unwrap();
    let jid = called.jid.0.clone();
    played.say_return("20260101000000000000", "foreign");
    played.say_return(&jid, "web1");
    played.say_return(&jid, "web1");
    played.say_return(&jid, "stranger");
    played.say_return(&jid, "web2");
    for expected in ["web1", "stranger", "web2", "the end"] {
        assert_eq!(name(called.returns.recv().await), expected);
    }
    assert_eq!(played.looked_up.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_a_broken_stream_missed_is_looked_up() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    let mut called = salt.call(ping("web1,web2", LONG)).await.unwrap();
    let missed = json!({"return": true, "retcode": 0, "success": true});
    played
        .remembered
        .lock()
        .unwrap()
        .insert("web1".to_owned(), missed);
    played.events.send(None).unwrap();
    assert_eq!(name(called.returns.recv().await), "web1");
    assert_eq!(played.looked_up.load(Ordering::SeqCst), 1);
    // The new stream is the one that is heard.
    played.say_return(&called.jid.0, "web2");
    assert_eq!(name(called.returns.recv().await), "web2");
    assert_eq!(name(called.returns.recv().await), "the end");
}

#[tokio::test]
async fn what_no_event_told_is_looked_up_once_at_the_end_of_the_wait() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    let missed = json!({"return": true, "retcode": 0, "success": true});
    played
        .remembered
        .lock()
        .unwrap()
        .insert("web1".to_owned(), missed);
    let wait = Duration::from_millis(200);
    let mut called = salt.call(ping("web1,web2", wait)).await.unwrap();
    for expected in ["web1", "web2 is silent", "the end"] {
        assert_eq!(name(called.returns.recv().await), expected);
    }
    assert_eq!(played.looked_up.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_in_trouble_is_not_asked_by_everybody_again_and_again() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    played.refuse(StatusCode::SERVICE_UNAVAILABLE, "<p>timed out</p>");
    let error = salt.call(ping("web1", LONG)).await.unwrap_err();
    assert!(matches!(error, SaltError::Unsure(_)), "{error:?}");
    for _ in 0..20 {
        let error = salt.call(ping("web1", LONG)).await.unwrap_err();
        assert!(matches!(error, SaltError::Away(_)), "{error:?}");
    }
    assert_eq!(played.published.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_kind_of_call_that_is_not_enabled_names_the_setting() {
    let (played, salt) = Played::start(HALF_A_DAY).await;
    let page =
        "<p>Client disabled: &#x27;local_async&#x27;. Add to &#x27;netapi_enable_clients&#x27;</p>";
    played.refuse(StatusCode::BAD_REQUEST, page);
    let error = salt.call(ping("web1", LONG)).await.unwrap_err();
    let SaltError::Refused(why) = error else {
        panic!("{error:?}");
    };
    assert!(
        why.contains("netapi_enable_clients of the Salt master"),
        "{why}"
    );
    assert!(why.contains("'local_async'"), "{why}");
}

#[tokio::test]
async fn nobody_at_the_address_is_away() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let credentials = Credentials {
        user: "anna".to_owned(),
        eauth: "pam".to_owned(),
        password: Password::Given(Secret::new("secret")),
    };
    let salt = SaltApi::new(&url, credentials, None, Arc::new(SystemClock)).unwrap();
    let error = salt.call(ping("web1", LONG)).await.unwrap_err();
    let SaltError::Away(why) = error else {
        panic!("{error:?}");
    };
    assert!(
        why.contains("cannot reach salt-api") && why.contains("salt_api_url"),
        "{why}"
    );
}
