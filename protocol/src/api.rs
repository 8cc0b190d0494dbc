//! Bodies of the REST interface under `/api/v1/`, and the views that the dashboard renders.
//!
//! The same views travel over the browser's socket (see [`crate::live`]), so that a page is rendered
//! from one shape whether it came from the server's first answer or from an event.

use crate::ids::{JobName, MachineId, RunId};
use crate::machine::Stream;
use crate::status::{MachineState, RunCause, RunState};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success: `{"error": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}

/// An error for its reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Stable, for programs.
    pub code: ErrorCode,
    /// What was wrong and what to do, for people.
    pub message: String,
    /// More, one sentence each (for example the problems of a text that was refused).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl ApiError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 404: no job of that name.
    UnknownJob,
    /// 404: no run of that name.
    UnknownRun,
    /// 404: the machine is not part of the run.
    UnknownMachine,
    /// 404: no such page or route.
    NotFound,
    /// 409: refused because of maintenance.
    Maintenance,
    /// 409: refused because an earlier run is still going and the job's policy is `skip`.
    Overlap,
    /// 409: nothing of that kind is running.
    NotRunning,
    /// 409: what was to be changed has changed meanwhile.
    Conflict,
    /// 400: the request is not well-formed.
    BadRequest,
    /// 422: the request is well-formed and its content is not acceptable.
    Invalid,
    /// 503: the server is shutting down, or a part of it is not available.
    Unavailable,
    /// 500: a fault of the server; its log says more.
    Internal,
}

/// Everything the Jobs page and the frame around every page show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// All jobs, by name.
    pub jobs: Vec<JobRow>,
    /// Jobs (or whole files) that could not be loaded.
    pub problems: Vec<Problem>,
    /// Maintenance as it is in force.
    pub maintenance: MaintenanceView,
    /// The server.
    pub server: ServerView,
}

/// The server, as every page's header and footer show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its version.
    pub version: String,
    /// Its clock when this was written.
    pub now: UnixMillis,
    /// Its time zone's name, for schedules that name none.
    pub timezone: String,
    /// Above how many machines Run now asks for confirmation.
    pub confirm_above: u32,
    /// The executor in force and why, in a sentence.
    pub executor: String,
}

/// A job in the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// Its name.
    pub name: JobName,
    /// Its file's name without the extension.
    pub group: String,
    /// When it runs, in words ("02:00 daily"), or the expression where words would be longer.
    pub schedule: String,
    /// The command, as written.
    pub command: String,
    /// The target expression, as written.
    pub targets: String,
    /// How the expression is read: `glob`, `list` …
    pub target_type: String,
    /// Next fire time; `None` when it never fires again or is paused.
    pub next: Option<UnixMillis>,
    /// Set while the job is paused.
    pub paused: Option<Pause>,
    /// The newest run that is over.
    pub last: Option<RunSummary>,
    /// Runs that are not over, oldest first.
    pub active: Vec<RunSummary>,
    /// The newest thirty ended runs, oldest first.
    pub recent: Vec<RecentRun>,
    /// Every key of the job as written in its file, in order; secret values masked.
    pub config: Vec<ConfigEntry>,
}

/// A job that a person has paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// One bar of the small history chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentRun {
    /// The run.
    pub run: RunId,
    /// How it stands.
    pub state: RunState,
    /// When it was begun.
    pub started: UnixMillis,
}

/// A key and its value, both as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// The key.
    pub key: String,
    /// Its value; `••••` for a secret.
    pub value: String,
}

/// A run without its machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its permanent name.
    pub id: RunId,
    /// Its job.
    pub job: JobName,
    /// Why it exists.
    pub cause: RunCause,
    /// Where it stands.
    pub state: RunState,
    /// When it was written down, before anything was launched.
    pub created: UnixMillis,
    /// Machines by state.
    pub counts: Counts,
    /// Up to four machines that are running or starting, for "running on".
    pub running_on: Vec<MachineId>,
    /// Set once a person (or a replacing run) asked for its end.
    pub kill: Option<KillView>,
}

/// A kill that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillView {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// How many machines of a run are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// All machines of the run.
    pub total: u32,
    /// Waiting for their batch.
    pub waiting: u32,
    /// Asked for, not yet running.
    pub starting: u32,
    /// Running.
    pub running: u32,
    /// Out of contact.
    pub lost_contact: u32,
    /// Ended well.
    pub succeeded: u32,
    /// Ended in any other way, but for the two below.
    pub failed: u32,
    /// Under maintenance.
    pub maintenance: u32,
    /// Never begun.
    pub not_attempted: u32,
}

/// A run with its machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run.
    pub summary: RunSummary,
    /// Its machines, by name.
    pub machines: Vec<MachineRow>,
    /// The job's settings at the time of the run; secret values masked.
    pub config: Vec<ConfigEntry>,
    /// The command as it was run.
    pub command: String,
}

/// One machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRow {
    /// The machine.
    pub machine: MachineId,
    /// Where it stands.
    pub state: MachineState,
    /// Process id of the command's shell.
    pub pid: Option<u32>,
    /// Length of its output.
    pub output: OutputLength,
    /// Set once its end was asked for.
    pub kill: Option<KillView>,
}

/// How much output there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputLength {
    /// Bytes.
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
}

/// What the Job page shows besides the row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The row.
    pub row: JobRow,
    /// Where the job is defined: `file:line`.
    pub source: String,
    /// The schedule as written.
    pub expression: String,
    /// The zone in which the schedule is read.
    pub timezone: String,
    /// The next ten fire times.
    pub upcoming: Vec<FireTime>,
    /// The machines as they would match now, or why that could not be found out.
    pub preview: Result<Vec<TargetRow>, String>,
    /// The newest hundred runs, newest first.
    pub history: Vec<RunSummary>,
    /// Every key with its effective value, defaults included; secret values masked.
    pub effective: Vec<ConfigEntry>,
}

/// A future fire time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FireTime {
    /// When.
    pub at: UnixMillis,
    /// The same in the schedule's zone, RFC 3339 with its offset.
    pub local: String,
    /// What a change of the clocks does to it, where it does anything.
    pub dst: Option<DstMark>,
}

/// What a change of the clocks does to a fire time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DstMark {
    /// Its wall-clock time does not exist that day: it fires at the first moment after the gap.
    MovedByGap,
    /// Its wall-clock time comes twice that day: it fires at the first.
    FirstOfTwo,
}

/// A machine in a preview of the targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRow {
    /// The machine.
    pub machine: MachineId,
    /// Why it is in or out.
    pub verdict: TargetVerdict,
}

/// Whether a machine would take part, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetVerdict {
    /// It would run.
    Included,
    /// The expression does not match it.
    NotMatched,
    /// It is under maintenance.
    Maintenance,
    /// It does not respond.
    Down,
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// File name, relative to the configuration directory.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: u32,
    /// Column, from 1; 0 for the whole line.
    pub column: u32,
    /// How bad.
    pub severity: Severity,
    /// What was wrong and what was expected.
    pub message: String,
    /// The job it is in, where that is known.
    pub job: Option<String>,
    /// Whether an earlier good version of the file is still in force.
    pub last_good_in_force: bool,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The thing is not in force.
    Error,
    /// It is in force, and probably not as meant.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Maintenance as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MaintenanceView {
    /// Whether nothing new starts at all.
    pub global: bool,
    /// Since when, as far as this server knows.
    pub global_since: Option<UnixMillis>,
    /// Machines that are taken out of every job's targets.
    pub machines: Vec<MachineId>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// The maintenance editor's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenancePage {
    /// What is in force.
    pub current: MaintenanceView,
    /// The file that an edit would change.
    pub file: String,
    /// Identifies the file's present content; an edit must name it.
    pub version: String,
    /// Machines known from the executor or from earlier runs, for completion.
    pub known_machines: Vec<MachineId>,
}

/// An edit of the maintenance settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceEdit {
    /// The version that the editor started from.
    pub version: String,
    /// Whether nothing new is to start.
    pub global: bool,
    /// Machines to take out, one text each; checked by the server.
    pub machines: Vec<String>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// What an edit would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceDiff {
    /// The file.
    pub file: String,
    /// Its lines, in order.
    pub lines: Vec<DiffLine>,
    /// Problems beside their field; the edit can be saved only when there are none.
    pub problems: Vec<FieldProblem>,
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// What happens to it.
    pub change: DiffChange,
    /// The line without its end.
    pub text: String,
}

/// What happens to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    /// It stays.
    Same,
    /// It is new.
    Added,
    /// It goes.
    Removed,
}

/// A problem with one field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldProblem {
    /// The field's name: `machines`, `reason` …
    pub field: String,
    /// What was wrong.
    pub message: String,
}

/// The Config page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigPage {
    /// The configuration directory.
    pub directory: String,
    /// Its files.
    pub files: Vec<ConfigFile>,
    /// Everything wrong with them.
    pub problems: Vec<Problem>,
    /// The settings in force.
    pub settings: Vec<SettingRow>,
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its name.
    pub name: String,
    /// How many jobs it defines.
    pub jobs: u32,
    /// When its version in force was read.
    pub loaded: UnixMillis,
    /// Whether the version on disk is the one in force.
    pub state: ConfigFileState,
}

/// Whether a file's version on disk is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigFileState {
    /// It is.
    InForce,
    /// It has errors; an earlier good version is.
    LastGoodInForce,
    /// It has errors, and what is valid of it is in force.
    PartlyInForce,
}

/// A global setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// The key.
    pub key: String,
    /// The value in force; masked when it is a secret.
    pub value: String,
    /// Where it comes from: `default`, `flag`, or `file:line`.
    pub source: String,
    /// When a change takes effect.
    pub effect: SettingEffect,
}

/// When a change of a setting takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum SettingEffect {
    /// Within a second.
    AtOnce,
    /// At the next start.
    Restart,
    /// At the next start, and the files already hold another value.
    RestartPending {
        /// The value in the files.
        pending: String,
    },
}

/// Answer to Run now and to Run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The new run.
    pub run: RunId,
}

/// Body of `POST …/kill`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KillRequest {
    /// Only this machine; every machine when absent.
    #[serde(default)]
    pub machine: Option<MachineId>,
}

/// Body of `POST /api/v1/jobs/{job}/pause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseRequest {
    /// Pause or resume.
    pub paused: bool,
}

/// Where a slice of output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFrom {
    /// At the chunk that holds this byte.
    Offset(u64),
    /// At the chunk that holds this line, counted from 0.
    Line(u64),
    /// So that about this many bytes remain to the end.
    Tail(u64),
}

/// A piece of a machine's output: whole chunks, in order, without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSlice {
    /// Offset of the first byte.
    pub offset: u64,
    /// Line feeds before the first byte.
    pub line: u64,
    /// The whole output's length when this was read.
    pub total: OutputLength,
    /// The chunks.
    pub chunks: Vec<ChunkMark>,
    /// Their bytes, one after the other. Not part of the JSON header.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// One chunk of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkMark {
    /// Its length in bytes.
    pub len: u32,
    /// Which stream it came from.
    pub stream: Stream,
    /// The machine's clock when it was written.
    pub at: UnixMillis,
}

/// Why bytes are not an output slice.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Too short for its header.
    #[error("an output slice is cut short")]
    Short,
    /// The header is not what it should be.
    #[error("an output slice's header is wrong: {0}")]
    Header(#[from] serde_json::Error),
}

impl OutputSlice {
    /// Writes header length (u32, little-endian), JSON header, bytes.
    pub fn encode(&self) -> Result<Vec<u8>, SliceError> {
        encode_with_header(self, &self.bytes)
    }

    /// Reads what [`OutputSlice::encode`] wrote.
    pub fn decode(data: &[u8]) -> Result<Self, SliceError> {
        let (mut slice, bytes): (Self, &[u8]) = decode_with_header(data)?;
        slice.bytes = bytes.to_vec();
        Ok(slice)
    }
}

pub(crate) fn encode_with_header<T: Serialize>(
    header: &T,
    bytes: &[u8],
) -> Result<Vec<u8>, SliceError> {
    let header = serde_json::to_vec(header)?;
    let length = u32::try_from(header.len()).map_err(|_| SliceError::Short)?;
    let mut data = Vec::with_capacity(4 + header.len() + bytes.len());
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&header);
    data.extend_from_slice(bytes);
    Ok(data)
}

pub(crate) fn decode_with_header<T: for<'de> Deserialize<'de>>(
    data: &[u8],
) -> Result<(T, &[u8]), SliceError> {
    let (length, rest) = data.split_first_chunk::<4>().ok_or(SliceError::Short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, bytes) = rest.split_at_checked(length).ok_or(SliceError::Short)?;
    Ok((serde_json::from_slice(header)?, bytes))
}
