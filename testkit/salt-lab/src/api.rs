//! Just enough of salt-api's client to see that the lab works. Blocking, and without a crate for HTTP, because every
//! task is compiled with it.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long a single question may take.
const LIMIT: Duration = Duration::from_secs(15);

/// The lab's REST service.
#[derive(Debug)]
pub struct Api {
    address: String,
    login: Value,
    token: Option<String>,
}

impl Api {
    /// The service at an `http://HOST:PORT` URL. Connects with the first question.
    pub fn new(url: &str, user: &str, eauth: &str, password: &str) -> Result<Self> {
        let address = url
            .strip_prefix("http://")
            .with_context(|| format!("{url} does not begin with http://"))?;
        Ok(Self {
            address: address.to_owned(),
            login: json!({"username": user, "password": password, "eauth": eauth}),
            token: None,
        })
    }

    /// Calls a function on the machines named, and returns what each returned, by name.
    pub fn call(&mut self, machines: &[&str], function: &str, kwarg: &Value) -> Result<Value> {
        let low_state = json!([{
            "client": "local", "tgt": machines, "tgt_type": "list", "fun": function, "kwarg": kwarg,
        }]);
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.log_in()?,
        };
        let answer = self.post("/", &low_state, Some(&token));
        if answer.is_err() {
            // A token is worthless after a restart of salt-api: the next question logs in anew.
            self.token = None;
        }
        Ok(answer?["return"][0].take())
    }

    /// Which of the machines do not answer.
    pub fn ping(&mut self, machines: &[&str]) -> Result<Vec<String>> {
        let answer = self.call(machines, "test.ping", &json!({}))?;
        let silent = machines.iter().filter(|m| answer[**m] != true);
        Ok(silent.map(|machine| (*machine).to_owned()).collect())
    }

    fn log_in(&mut self) -> Result<String> {
        let answer = self.post("/login", &self.login, None)?;
        let token = answer["return"][0]["token"]
            .as_str()
            .context("salt-api's answer to the login has no token")?;
        self.token = Some(token.to_owned());
        Ok(token.to_owned())
    }

    /// One request on a connection of its own. HTTP/1.0, so that the answer ends with the connection.
    fn post(&self, path: &str, body: &Value, token: Option<&str>) -> Result<Value> {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address)
            .with_context(|| format!("cannot connect to salt-api on {}", self.address))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let token = token.map_or_else(String::new, |token| format!("X-Auth-Token: {token}\r\n"));
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\nContent-Type: application/json\r\n\
             {token}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .with_context(|| format!("no answer from salt-api in {} s", LIMIT.as_secs()))?;
        let (head, content) = answer
            .split_once("\r\n\r\n")
            .context("salt-api's answer has no end of its headers")?;
        let status = head.lines().next().unwrap_or_default();
        if !status.contains(" 200 ") {
            bail!("salt-api answered {path} with {status}");
        }
        serde_json::from_str(content).context("salt-api's answer is not JSON")
    }
}
