//! A provider of `OpenID` Connect as the standard has it: it describes itself, publishes its keys, checks who asks and what for,
//! and signs. A test says who logs in, and may have it lie.

mod signing;

pub(super) use signing::Signing;

use crate::http;
use axum::extract::{Form, Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use signing::Keys;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What it knows the server as.
pub(super) const CLIENT: &str = "saltpeter";
/// The client's secret. It has signs that have to be written otherwise in a form.
pub(super) const SECRET: &str = "s3cret/+ &=%";
/// The one address to which it sends people back.
const CALLBACK: &str = "https://sp.example/login/oidc/callback";

type Fields = HashMap<String, String>;

/// One that runs for as long as it is held.
pub(super) struct Provider {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

/// What a test may change.
pub(super) struct Shared {
    /// What it calls itself.
    pub(super) issuer: String,
    /// What it says of whoever logs in, besides what the standard demands.
    pub(super) claims: Value,
    /// What it says instead of the truth; `null` leaves a claim out.
    pub(super) lies: Value,
    /// How it signs.
    pub(super) signing: Signing,
    /// Whose answer it says that it is; `None`: it does not say.
    pub(super) answers_as: Option<String>,
    /// Whether the client's secret has to come in the form.
    pub(super) wants_post: bool,
    /// How often its keys were read.
    pub(super) keys_read: u32,
    keys: Keys,
    /// The codes that were given, until they are redeemed.
    codes: HashMap<String, Fields>,
    count: u32,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(super) async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// The same at an address that another had.
    pub(super) async fn start_at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            issuer: format!("http://{addr}/realm"),
            claims: json!({"sub": "u-1", "preferred_username": "Mia", "groups": ["dba"]}),
            lies: json!({}),
            signing: Signing::Rsa(1),
            answers_as: None,
            wants_post: false,
            keys_read: 0,
            keys: Keys::new(),
            codes: HashMap::new(),
            count: 0,
        }));
        let routes = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/keys", get(keys))
            .route("/realm/authorize", get(authorize))
            .route("/realm/token", post(token))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { addr, shared, task }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// The value of `oidc` for it.
    pub(super) fn settings(&self) -> String {
        format!(
            "{{name: Acme <b>SSO</b>, issuer: 'http://{}/realm', client_id: {CLIENT}, client_secret: {{file: ~SECRET}}, url: 'https://sp.example', roles: [{{group: admins, role: admin}}, {{group: dba, role: operator, groups: [db]}}, {{group: staff, role: viewer}}]}}",
            self.addr
        )
    }

    /// Whoever is before the browser logs in here; where it is sent back to, without the server's name.
    pub(super) async fn log_in(&self, address: &str) -> String {
        let here = format!("http://{}", self.addr);
        let path = address.strip_prefix(&here).expect(address);
        let answer = http::request(self.addr, "GET", path, &[], b"").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let back = answer.header("location").unwrap();
        let own = back.strip_prefix("https://sp.example").unwrap();
        own.to_owned()
    }
}

type Locked = State<Arc<Mutex<Shared>>>;

async fn describe(State(shared): Locked) -> Response {
    let shared = shared.lock().unwrap();
    let issuer = &shared.issuer;
    let methods = if shared.wants_post {
        json!(["client_secret_post"])
    } else {
        json!(["client_secret_basic", "client_secret_post"])
    };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": shared.answers_as.is_some(),
    }))
    .into_response()
}

async fn keys(State(shared): Locked) -> Response {
    let mut shared = shared.lock().unwrap();
    shared.keys_read += 1;
    Json(shared.keys.set(shared.signing)).into_response()
}

async fn authorize(State(shared): Locked, Query(asked): Query<Fields>) -> Response {
    let mut shared = shared.lock().unwrap();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert!(asked[name].len() >= 43, "{name}: {}", asked[name]);
    }
    shared.count += 1;
    let code = format!("code-{}", shared.count);
    let mut back = format!("{CALLBACK}?code={code}&state={}", asked["state"]);
    if let Some(issuer) = &shared.answers_as {
        back.extend(["&iss=", issuer]);
    }
    shared.codes.insert(code, asked);
    (StatusCode::SEE_OTHER, [(LOCATION, back)]).into_response()
}

async fn token(State(shared): Locked, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let mut shared = shared.lock().unwrap();
    if !is_client(&headers, &form, shared.wants_post) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "not <this> client",
        );
    }
    assert_eq!(form["grant_type"], "authorization_code");
    // A code is good once, whatever else is wrong.
    let Some(asked) = shared.codes.remove(&form["code"]) else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant", "no such code");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if challenge != asked["code_challenge"] || form["redirect_uri"] != asked["redirect_uri"] {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant", "not yours");
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut claims = json!({
        "iss": shared.issuer,
        "aud": CLIENT,
        "iat": now,
        "exp": now + 300,
        "nonce": asked["nonce"],
    });
    for said in [&shared.claims, &shared.lies] {
        for (name, value) in said.as_object().unwrap() {
            let claims = claims.as_object_mut().unwrap();
            match value {
                Value::Null => claims.remove(name),
                value => claims.insert(name.clone(), value.clone()),
            };
        }
    }
    let token = shared.keys.sign(shared.signing, &claims);
    Json(json!({"access_token": "unused", "token_type": "Bearer", "id_token": token}))
        .into_response()
}

/// Whether the request shows that the client sends it, in the way that is wanted.
fn is_client(headers: &HeaderMap, form: &Fields, wants_post: bool) -> bool {
    if wants_post {
        let shown = (form.get("client_id"), form.get("client_secret"));
        return shown == (Some(&CLIENT.to_owned()), Some(&SECRET.to_owned()));
    }
    let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let encoded = header.and_then(|header| header.strip_prefix("Basic "));
    let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    let expected = format!("{CLIENT}:s3cret%2F%2B%20%26%3D%25");
    !form.contains_key("client_secret") && decoded == Some(expected.into_bytes())
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    (status, Json(body)).into_response()
}
