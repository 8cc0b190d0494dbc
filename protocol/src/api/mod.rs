//! Bodies of the REST interface under `/api/v1/`, and the views that the dashboard renders.
//!
//! The same views travel over the browser's socket (see [`crate::live`]), so that a page is rendered
//! from one shape whether it came from the server's first answer or from an event.

mod config;
mod editor;
mod error;
mod import;
mod jobs;
mod lines;
mod machine_list;
mod maintenance;
mod output;
mod params;
mod past;
mod preview;
mod run_list;
mod runs;
mod timeline;

pub use config::{
    ConfigFile, ConfigFileState, ConfigPage, Problem, SettingEffect, SettingRow, Severity,
    SinkHealth, SinkRow,
};
pub use editor::{EditCheck, EditProblem, EditSaved, EditorPage, FileEdit, JobEdit};
pub use error::{ApiError, ErrorBody, ErrorCode};
pub use import::{CrontabForm, ImportLine, ImportOutcome, ImportRequest, ImportResult};
pub use jobs::{
    ConfigEntry, DstMark, FireTime, JobDetail, JobRow, Overview, Pause, PauseRequest, RecentRun,
    ServerView, StorageTrouble, TargetRow, TargetVerdict,
};
pub use lines::{
    LinesPage, LinesQuery, MergedLine, Reading, SameOutput, SearchHit, SearchQuery, SearchStep,
    read_position, write_position,
};
pub use machine_list::{KnownMachine, MachineList, MachineQuery, MachineShow, MachineSort};
pub use maintenance::{
    DiffChange, DiffLine, Edited, FieldProblem, MaintenanceDiff, MaintenanceEdit, MaintenancePage,
    MaintenanceView,
};
pub use output::{ChunkMark, OutputFrom, OutputSlice, SliceError};
pub(crate) use output::{decode_with_header, encode_with_header};
pub use past::{ConfigChange, JobPast, LastSuccess, SinceSuccess, SlowMachine, SuccessRate};
pub use preview::{JobPreview, MAX_PREVIEWED_JOBS, Preview, PreviewRequest};
pub use run_list::{CauseKind, OutcomeKind, RunList, RunQuery};
pub use runs::{
    Counts, KillRequest, KillView, MachineRow, OutputLength, PastAttempt, ReplacedOutcome,
    RunDetail, RunStarted, RunSummary, StopView,
};
pub use timeline::{Band, Bar, Held, Lane, LaneBy, Timeline, TimelineQuery};
