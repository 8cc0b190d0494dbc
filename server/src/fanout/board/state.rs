//! What is on the board.

use crate::fanout::history::History;
use crate::pauses::Paused;
use crate::view;
use saltpeter_domain::{Job, JobSet, Maintenance};
use saltpeter_protocol::api::{
    JobRow, MaintenanceView, Overview, Problem, ServerView, StorageTrouble,
};
use saltpeter_protocol::{JobName, UnixMillis};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// All that is on the board.
pub(super) struct State {
    pub(super) seq: u64,
    pub(super) rows: BTreeMap<JobName, Row>,
    /// Next fire times, for the moment they pass.
    pub(super) due: BTreeSet<(UnixMillis, JobName)>,
    pub(super) dirty: BTreeSet<JobName>,
    pub(super) problems: Vec<Problem>,
    pub(super) troubles: Vec<StorageTrouble>,
    pub(super) maintenance: Arc<Maintenance>,
    pub(super) maintenance_view: MaintenanceView,
    /// When global maintenance was first seen on.
    pub(super) global_since: Option<UnixMillis>,
    pub(super) zone: chrono_tz::Tz,
    pub(super) confirm_above: u32,
    pub(super) editor: bool,
    pub(super) paused: Paused,
    /// Histories of jobs, also of those that are gone for the moment.
    pub(super) histories: HashMap<JobName, History>,
    /// The time as of the last look.
    pub(super) now: UnixMillis,
}

/// A job's row, and the definition that it shows.
pub(super) struct Row {
    pub(super) job: Arc<Job>,
    pub(super) row: Arc<JobRow>,
}

impl State {
    /// No job yet.
    pub(super) fn new(
        jobs: &JobSet,
        histories: HashMap<JobName, History>,
        paused: Paused,
        now: UnixMillis,
    ) -> Self {
        Self {
            seq: 0,
            rows: BTreeMap::new(),
            due: BTreeSet::new(),
            dirty: BTreeSet::new(),
            problems: Vec::new(),
            troubles: Vec::new(),
            maintenance: Arc::default(),
            maintenance_view: MaintenanceView::default(),
            global_since: None,
            zone: jobs.default_zone,
            confirm_above: 0,
            editor: false,
            paused,
            histories,
            now,
        }
    }

    /// Puts a job's definition on the board.
    pub(super) fn set_job(&mut self, job: &Arc<Job>, now: UnixMillis) {
        let name = &job.name;
        if let Some(next) = self.rows.get(name).and_then(|known| known.row.next) {
            self.due.remove(&(next, name.clone()));
        }
        let mut row = view::job_row(job, self.zone, now);
        row.paused = self.paused.get(name).cloned();
        if row.paused.is_some() {
            row.next = None;
        }
        if let Some(history) = self.histories.get(name) {
            history.show_in(&mut row);
        }
        self.due.extend(row.next.map(|next| (next, name.clone())));
        self.rows.insert(
            name.clone(),
            Row {
                job: Arc::clone(job),
                row: Arc::new(row),
            },
        );
    }

    /// Brings a job's row up to its history.
    pub(super) fn refresh(&mut self, name: &JobName) -> Option<Arc<JobRow>> {
        let known = self.rows.get_mut(name)?;
        let history = self.histories.entry(name.clone()).or_default();
        history.show_in(Arc::make_mut(&mut known.row));
        Some(Arc::clone(&known.row))
    }

    /// What an overview is made of, cheap to copy while the state is locked.
    pub(super) fn parts(&self) -> Parts {
        Parts {
            rows: self.rows.values().map(|row| Arc::clone(&row.row)).collect(),
            problems: self.problems.clone(),
            troubles: self.troubles.clone(),
            maintenance: self.maintenance_view.clone(),
            zone: self.zone,
            confirm_above: self.confirm_above,
            editor: self.editor,
        }
    }
}

/// What an overview is made of.
pub(super) struct Parts {
    rows: Vec<Arc<JobRow>>,
    problems: Vec<Problem>,
    troubles: Vec<StorageTrouble>,
    maintenance: MaintenanceView,
    zone: chrono_tz::Tz,
    confirm_above: u32,
    editor: bool,
}

impl Parts {
    /// The overview at `now`.
    pub(super) fn overview(self, now: UnixMillis) -> Overview {
        Overview {
            jobs: self.rows.iter().map(|row| JobRow::clone(row)).collect(),
            problems: self.problems,
            maintenance: self.maintenance,
            troubles: self.troubles,
            server: ServerView {
                version: crate::VERSION.to_owned(),
                now,
                timezone: self.zone.name().to_owned(),
                confirm_above: self.confirm_above,
                editor: self.editor,
            },
        }
    }
}
