//! What the pages and the reading routes are answered with.

use super::{Ops, internal, unknown_run};
use crate::outputs::OutputReader;
use crate::view;
use saltpeter_app::backend::{Answer, Backend};
use saltpeter_protocol::api::{
    ApiError, ConfigPage, ErrorCode, JobDetail, LinesPage, LinesQuery, MachineList, MachineQuery,
    MaintenancePage, OutputFrom, OutputSlice, Overview, RunDetail, RunList, RunQuery, SameOutput,
    Timeline, TimelineQuery,
};
use saltpeter_protocol::{Attempt, JobName, MachineId, RunId};

/// How many runs a job's page lists.
const HISTORY: u32 = 100;

/// The longest slice of output that is read at once, in bytes.
const MAX_SLICE: usize = 1024 * 1024;

impl Ops {
    async fn job_detail(&self, name: &JobName) -> Result<JobDetail, ApiError> {
        let job = self.find_job(name)?;
        let parts = &self.parts;
        let jobs = parts.config.current();
        let now = parts.clock.now();
        // A job that was loaded a moment ago may not be on the board yet.
        let row = parts.board.row(name);
        let row = row.unwrap_or_else(|| view::job_row(&job, jobs.default_zone, now));
        let explained = parts
            .executor
            .explain(&job.targets, &jobs.maintenance, now)
            .await;
        let history = parts.history.newest(name, HISTORY).await;
        let history = history.map_err(|e| self.store_failed(&e))?;
        let past = parts.history.past(name, &history, now).await;
        Ok(JobDetail {
            upcoming: if row.paused.is_some() {
                Vec::new()
            } else {
                view::upcoming(&job, jobs.default_zone, now)
            },
            row,
            source: format!("{}:{}", job.source.file, job.source.line),
            expression: job.schedule.expression().to_owned(),
            timezone: job.schedule.zone(jobs.default_zone).name().to_owned(),
            takes: job.number_of_targets.map(std::num::NonZeroU32::get),
            preview: explained.map_err(|error| error.to_string()),
            history,
            past: past.map_err(|e| self.store_failed(&e))?,
            effective: view::effective(&job, &jobs.settings, jobs.default_zone),
        })
    }

    /// A run with its machines and the lengths of their output.
    pub async fn run_detail(&self, run: &RunId) -> Result<RunDetail, ApiError> {
        let stored = self.stored_run(run).await?;
        let lengths = self.parts.outputs.lengths(run).await;
        let lengths = lengths.map_err(|e| internal(&e))?;
        let jobs = self.parts.config.current();
        let group = jobs.jobs.get(stored.job()).map(|job| job.group.as_str());
        Ok(view::run_detail(&stored, &lengths, group))
    }

    /// The attempt of a machine that is asked for, or the one that its state is about.
    pub(super) async fn find_attempt(
        &self,
        run: &RunId,
        machine: &MachineId,
        asked: Option<Attempt>,
    ) -> Result<Attempt, ApiError> {
        let newest = self.parts.history.newest_attempt(run, machine).await;
        let newest = newest
            .map_err(|e| self.store_failed(&e))?
            .ok_or_else(|| unknown_run(run))?;
        let Some(newest) = newest else {
            let message = format!("machine {machine} is not part of {run}");
            return Err(ApiError::new(ErrorCode::UnknownMachine, message));
        };
        match asked {
            None => Ok(newest),
            Some(attempt) if attempt <= newest => Ok(attempt),
            Some(attempt) => {
                let message = format!("machine {machine} of {run} has had no attempt {attempt}");
                Err(ApiError::new(ErrorCode::UnknownMachine, message))
            }
        }
    }

    /// A machine's output from `offset` to its present end, in pieces; that of the newest attempt unless another is asked for.
    pub async fn output_reader(
        &self,
        run: &RunId,
        machine: &MachineId,
        attempt: Option<Attempt>,
        offset: u64,
    ) -> Result<OutputReader, ApiError> {
        let attempt = self.find_attempt(run, machine, attempt).await?;
        let outputs = &self.parts.outputs;
        let reader = outputs.reader(run, (machine, attempt), offset).await;
        reader.map_err(|e| internal(&e))
    }

    async fn output_slice(
        &self,
        run: &RunId,
        machine: &MachineId,
        attempt: Option<Attempt>,
        from: OutputFrom,
        limit: usize,
    ) -> Result<OutputSlice, ApiError> {
        let attempt = self.find_attempt(run, machine, attempt).await?;
        let limit = limit.clamp(1, MAX_SLICE);
        let outputs = &self.parts.outputs;
        let slice = outputs.read(run, (machine, attempt), from, limit).await;
        slice.map_err(|e| internal(&e))
    }

    /// The configuration as it is loaded.
    pub fn configuration(&self) -> ConfigPage {
        let jobs = self.parts.config.current();
        ConfigPage {
            directory: self.parts.config.directory().display().to_string(),
            files: view::files(&jobs),
            problems: view::problems(&jobs),
            executor: self.parts.executor_is.clone(),
            settings: self.parts.settings.rows(&jobs),
            sinks: self.parts.sinks.rows(),
        }
    }
}

impl Backend for Ops {
    fn overview(&self) -> Answer<'_, Overview> {
        Box::pin(async { Ok(self.parts.board.overview(self.parts.clock.now())) })
    }

    fn job<'a>(&'a self, name: &'a JobName) -> Answer<'a, JobDetail> {
        Box::pin(self.job_detail(name))
    }

    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, RunDetail> {
        Box::pin(self.run_detail(run))
    }

    fn output<'a>(
        &'a self,
        run: &'a RunId,
        machine: &'a MachineId,
        attempt: Option<Attempt>,
        from: OutputFrom,
        limit: usize,
    ) -> Answer<'a, OutputSlice> {
        Box::pin(self.output_slice(run, machine, attempt, from, limit))
    }

    fn lines<'a>(&'a self, run: &'a RunId, query: &'a LinesQuery) -> Answer<'a, LinesPage> {
        Box::pin(self.merged_lines(run, query))
    }

    fn same_output<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<SameOutput>> {
        Box::pin(self.grouped_output(run))
    }

    fn maintenance_page(&self) -> Answer<'_, MaintenancePage> {
        Box::pin(self.maintenance_editor())
    }

    fn config_page(&self) -> Answer<'_, ConfigPage> {
        Box::pin(async { Ok(self.configuration()) })
    }

    fn runs<'a>(&'a self, query: &'a RunQuery) -> Answer<'a, RunList> {
        Box::pin(self.runs_by(query))
    }

    fn machines<'a>(&'a self, query: &'a MachineQuery) -> Answer<'a, MachineList> {
        Box::pin(Ops::machines(self, query))
    }

    fn timeline<'a>(&'a self, query: &'a TimelineQuery) -> Answer<'a, Timeline> {
        Box::pin(Ops::timeline(self, query))
    }
}
