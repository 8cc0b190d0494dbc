//! A browser as far as cookies and forms go.

use crate::http::{self, Response};
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Keeps its cookies and says where its requests come from.
#[derive(Clone, Default)]
pub(super) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Its cookies as it sends them.
    pub(super) fn cookie(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// The key of its session.
    pub(super) fn key(&self) -> &str {
        &self.cookies["saltpeter_session"]
    }

    /// Goes to a page.
    pub(super) async fn go(&mut self, world: &World, path: &str) -> Response {
        let cookie = self.cookie();
        let headers = [("Cookie", cookie.as_str()), ("Accept", "text/html,*/*")];
        let answer = world.request("GET", path, &headers, "").await;
        self.take(&answer);
        answer
    }

    /// Asks as a script of a page of the dashboard does.
    pub(super) async fn fetch(
        &self,
        world: &World,
        method: &str,
        path: &str,
        body: &str,
    ) -> Response {
        let (cookie, origin) = (self.cookie(), origin(world));
        let headers = [
            ("Cookie", cookie.as_str()),
            ("Origin", origin.as_str()),
            ("Accept", "*/*"),
        ];
        world.request(method, path, &headers, body).await
    }

    /// Sends a form.
    pub(super) async fn submit(
        &mut self,
        world: &World,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response {
        let (cookie, origin) = (self.cookie(), origin(world));
        let headers = [
            ("Cookie", cookie.as_str()),
            ("Origin", origin.as_str()),
            ("Accept", "text/html,*/*"),
            ("User-Agent", "test <hacked>browser</hacked>"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let body = encode(fields);
        let answer = http::request(world.addr(), "POST", path, &headers, body.as_bytes()).await;
        self.take(&answer);
        answer
    }

    pub(super) async fn log_in(&mut self, world: &World, name: &str, password: &str) -> Response {
        let fields = [("name", name), ("password", password)];
        self.submit(world, "/login", &fields).await
    }

    /// Opens the link that makes the first admin; it leads on to the form.
    pub(super) async fn open_first_link(&mut self, world: &World) {
        let link = world.first_link().expect("there is no link");
        let path = link.split_once("/welcome").unwrap().1;
        let answer = self.go(world, &format!("/welcome{path}")).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/welcome"))
        );
        let form = self.go(world, "/welcome").await;
        assert_eq!(form.status, 200);
    }

    fn take(&mut self, answer: &Response) {
        let set = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        for (_, cookie) in set {
            let (name, rest) = cookie.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(attributes.contains(attribute), "{cookie}");
            }
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What a page of this server says of where it comes from.
pub(super) fn origin(world: &World) -> String {
    format!("http://{}", world.addr())
}

fn encode(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() {
                body.push(char::from(byte));
            } else {
                write!(body, "%{byte:02X}").unwrap();
            }
        }
    }
    body
}
