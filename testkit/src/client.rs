//! Asks a server over HTTP.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use saltpeter_protocol::api::{ErrorBody, JobDetail, RunDetail, RunStarted};
use saltpeter_protocol::{MachineId, RunId};
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How often a question whose answer is waited for is asked again.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A client of one server.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    server: SocketAddr,
    patience: Duration,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON of a request that went well.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        ensure!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The error of a request that was refused.
    pub fn error(&self) -> Result<ErrorBody> {
        ensure!(self.status >= 400, "{} is no error", self.status);
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl Client {
    /// A client of the server at this address.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            patience: PATIENCE,
        }
    }

    /// One that waits for longer, or less long, than [`PATIENCE`].
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask("GET", path, "").await
    }

    /// POST with a JSON body, which may be empty.
    pub async fn post(&self, path: &str, body: &str) -> Result<Answer> {
        self.ask("POST", path, body).await
    }

    /// One request on a connection of its own. HTTP/1.0, so that the answer ends with the connection.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(self.server).await?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.server
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .context("an answer without an end of its headers")?;
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head
            .split_whitespace()
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("an answer without a status")?;
        Ok(Answer {
            status,
            body: answer.split_off(end + 4),
        })
    }

    /// Starts a run of a job by hand.
    pub async fn run_now(&self, job: &str) -> Result<RunId> {
        let answer = self.post(&format!("/api/v1/jobs/{job}/run"), "").await?;
        Ok(answer.json::<RunStarted>()?.run)
    }

    /// A run with its machines.
    pub async fn run(&self, run: &RunId) -> Result<RunDetail> {
        self.get(&format!("/api/v1/runs/{run}")).await?.json()
    }

    /// A job with its history.
    pub async fn job(&self, job: &str) -> Result<JobDetail> {
        self.get(&format!("/api/v1/jobs/{job}")).await?.json()
    }

    /// Everything that a machine's command has written.
    pub async fn output(&self, run: &RunId, machine: &str) -> Result<Vec<u8>> {
        let machine = MachineId::new(machine)?;
        let path = format!("/api/v1/runs/{run}/machines/{machine}/output/raw");
        let answer = self.get(&path).await?;
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(answer.body)
    }

    /// Waits until a run is as wanted; the error shows how it was at last.
    pub async fn until(
        &self,
        run: &RunId,
        wanted: impl Fn(&RunDetail) -> bool,
    ) -> Result<RunDetail> {
        let patience = self.patience;
        let deadline = Instant::now() + patience;
        loop {
            let detail = self.run(run).await?;
            if wanted(&detail) {
                return Ok(detail);
            }
            ensure!(
                Instant::now() < deadline,
                "the run did not get there in {patience:?}: {detail:#?}"
            );
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// Waits until a run is over.
    pub async fn until_over(&self, run: &RunId) -> Result<RunDetail> {
        self.until(run, |detail| detail.summary.state.is_ended())
            .await
    }

    /// Waits until a machine has written at least so many bytes.
    pub async fn until_written(&self, run: &RunId, machine: &str, bytes: u64) -> Result<RunDetail> {
        self.until(run, |detail| {
            detail
                .machines
                .iter()
                .any(|row| row.machine.as_str() == machine && row.output.bytes >= bytes)
        })
        .await
    }
}
