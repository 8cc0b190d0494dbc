//! The commands that ask a server over its API, from wherever, with a token.

use super::say::{finish, say};
use crate::outbound;
use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, SecondsFormat};
use clap::Subcommand;
use reqwest::{Client, Method, StatusCode, Url};
use saltpeter_domain::Secret;
use saltpeter_protocol::api::{
    ApiError, ErrorCode, JobDetail, JobRow, Overview, RunStarted, RunSummary,
};
use saltpeter_protocol::{JobName, RunState, UnixMillis};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long the server may take for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The variable that has the token where no file is named.
const TOKEN_VARIABLE: &str = "SALTPETER_TOKEN";
/// The variable that has the address where none is given.
const SERVER_VARIABLE: &str = "SALTPETER_SERVER";
/// Where a server is that was told nothing else.
const HERE: &str = "http://127.0.0.1:8888";

/// Which server, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Remote {
    /// Address of the server.
    #[arg(
        long,
        value_name = "URL",
        help = "Address of the server [default: $SALTPETER_SERVER, else http://127.0.0.1:8888]"
    )]
    server: Option<String>,
    /// File with the API token.
    #[arg(
        long,
        value_name = "FILE",
        help = "File with the API token, see `saltpeter token add` [default: the token in $SALTPETER_TOKEN]"
    )]
    token_file: Option<PathBuf>,
    /// PEM file of authorities to trust besides the host's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RemoteCommand {
    /// Say how every job stands, by the API of a server
    #[command(after_help = "\
Example:
  saltpeter status --server https://sp.example.com --token-file ~/.saltpeter-token
  backup_db  succeeded  next 2025-11-05T02:30:00Z

Exit codes: 0 done, 1 the server refused or cannot be reached.")]
    Status {
        #[command(flatten)]
        remote: Remote,
        /// Print what the server answers as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a job now, and print the run's name
    #[command(after_help = "\
Example:
  saltpeter run backup_db --token-file ~/.saltpeter-token
  backup_db_1762309800

Exit codes: 0 it has begun, 1 the server refused or cannot be reached.")]
    Run {
        /// The job
        job: JobName,
        #[command(flatten)]
        remote: Remote,
    },
    /// End a run, or every run of a job
    #[command(after_help = "\
Example:
  saltpeter kill backup_db_1762309800 --token-file ~/.saltpeter-token

Exit codes: 0 its end is asked for, 1 the server refused or cannot be reached.")]
    Kill {
        /// The name of a run, or of a job
        name: JobName,
        #[command(flatten)]
        remote: Remote,
    },
    /// List the runs of a job, the newest first
    #[command(after_help = "\
Example:
  saltpeter runs backup_db --token-file ~/.saltpeter-token
  backup_db_1762309800  failed  2025-11-05T02:30:00Z  11 of 12 machines succeeded

Exit codes: 0 done, 1 the server refused or cannot be reached.")]
    Runs {
        /// The job
        job: JobName,
        #[command(flatten)]
        remote: Remote,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Asks, and prints what there is to say.
pub(super) fn ask(command: RemoteCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(answer(command)),
        Err(error) => Err(error.into()),
    };
    finish(outcome.and_then(say))
}

async fn answer(command: RemoteCommand) -> Result<String> {
    match command {
        RemoteCommand::Status { remote, json } => {
            let overview: Overview = Api::of(&remote)?.get("overview").await?;
            if json {
                return Ok(serde_json::to_string_pretty(&overview)? + "\n");
            }
            Ok(table(overview.jobs.iter().map(job_line)))
        }
        RemoteCommand::Run { job, remote } => {
            let started: RunStarted = Api::of(&remote)?.post(&format!("jobs/{job}/run")).await?;
            Ok(format!("{}\n", started.run))
        }
        RemoteCommand::Kill { name, remote } => {
            let api = Api::of(&remote)?;
            match api.send(Method::POST, &format!("runs/{name}/kill")).await? {
                Ok(_) => {}
                Err(error) if error.code == ErrorCode::UnknownRun => {
                    let killed = api.send(Method::POST, &format!("jobs/{name}/kill")).await?;
                    killed.map_err(|error| match error.code {
                        ErrorCode::UnknownJob => {
                            anyhow::anyhow!("there is neither a run nor a job {name}")
                        }
                        _ => said(&error),
                    })?;
                }
                Err(error) => return Err(said(&error)),
            }
            Ok(String::new())
        }
        RemoteCommand::Runs { job, remote, json } => {
            let detail: JobDetail = Api::of(&remote)?.get(&format!("jobs/{job}")).await?;
            let runs: Vec<&RunSummary> = detail
                .row
                .active
                .iter()
                .rev()
                .chain(&detail.history)
                .collect();
            if json {
                return Ok(serde_json::to_string_pretty(&runs)? + "\n");
            }
            Ok(table(runs.into_iter().map(run_line)))
        }
    }
}

/// The API of a server.
struct Api {
    client: Client,
    base: Url,
    token: Option<Secret>,
}

#[derive(Deserialize)]
struct Refusal {
    error: ApiError,
}

impl Api {
    fn of(remote: &Remote) -> Result<Self> {
        let server = remote
            .server
            .clone()
            .or_else(|| env::var(SERVER_VARIABLE).ok());
        let server = server.unwrap_or_else(|| HERE.to_owned());
        let base = format!("{}/api/v1/", server.trim_end_matches('/'));
        let base = Url::parse(&base)
            .with_context(|| format!("--server {server:?} is no address such as {HERE}"))?;
        if !matches!(base.scheme(), "http" | "https") {
            bail!("--server {server:?} is no address such as {HERE}");
        }
        Ok(Self {
            client: outbound::client(remote.ca.as_deref())?,
            base,
            token: token(remote.token_file.as_deref())?,
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(Method::GET, path).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(Method::POST, path).await
    }

    async fn read<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T> {
        let body = self.send(method, path).await?;
        let body = body.map_err(|error| said(&error))?;
        serde_json::from_slice(&body).with_context(|| {
            format!(
                "{} answers something else than this version knows",
                self.base
            )
        })
    }

    /// The body of a good answer, or the server's refusal.
    async fn send(&self, method: Method, path: &str) -> Result<Result<Vec<u8>, ApiError>> {
        let url = self.base.join(path)?;
        let mut request = self.client.request(method, url).timeout(ANSWER_WITHIN);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let unreachable = || format!("cannot reach {}; is --server right?", self.base);
        let response = request.send().await.with_context(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.with_context(unreachable)?;
        if status.is_success() {
            return Ok(Ok(body.into()));
        }
        if let Ok(Refusal { error }) = serde_json::from_slice(&body) {
            return Ok(Err(error));
        }
        let hint = match status {
            StatusCode::PERMANENT_REDIRECT => "; it wants https://",
            _ => "; is it a saltpeter server?",
        };
        bail!("{} answers {status}{hint}", self.base)
    }
}

/// The token, from the file or from the environment. A server that lets everybody in needs none.
fn token(file: Option<&Path>) -> Result<Option<Secret>> {
    let (text, place) = match file {
        Some(path) => {
            let place = format!("--token-file {}", path.display());
            let read = std::fs::read_to_string(path);
            let read = read.with_context(|| format!("cannot read {place}"))?;
            (Some(read), place)
        }
        None => (env::var(TOKEN_VARIABLE).ok(), TOKEN_VARIABLE.to_owned()),
    };
    let Some(text) = text else { return Ok(None) };
    let token = text.trim();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!(
            "{place} holds more than a token, which is one word as `saltpeter token add` prints it"
        );
    }
    Ok(Some(Secret::new(token)))
}

fn said(error: &ApiError) -> anyhow::Error {
    let mut text = error.message.clone();
    for detail in &error.details {
        text.extend(["\n  ", detail]);
    }
    anyhow::anyhow!(text)
}

fn job_line(job: &JobRow) -> Vec<String> {
    let newest = job.active.last().or(job.last.as_ref());
    let state = newest.map_or("never run", |run| word(&run.state));
    let next = match (&job.paused, job.next) {
        (Some(pause), _) => format!("paused by {}", pause.by),
        (None, Some(at)) => format!("next {}", iso(at)),
        (None, None) => "never again".to_owned(),
    };
    vec![job.name.to_string(), state.to_owned(), next]
}

fn run_line(run: &RunSummary) -> Vec<String> {
    let counts = run.counts;
    vec![
        run.id.to_string(),
        word(&run.state).to_owned(),
        iso(run.created),
        format!(
            "{} of {} machines succeeded",
            counts.succeeded, counts.total
        ),
    ]
}

fn word(state: &RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Resolving => "resolving targets",
        RunState::Running => "running",
        RunState::Ended { outcome, .. } => outcome.label(),
    }
}

fn iso(at: UnixMillis) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Columns as wide as their widest cell.
fn table(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing into a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "succeeded", "x"], ["longer", "ok", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            table(rows.into_iter()),
            "a       succeeded  x\nlonger  ok\n"
        );
        assert_eq!(table(std::iter::empty()), "");
    }
}
