//! Lines of output: searched for, merged, grouped, packed together.

use super::{Ops, internal};
use crate::outputs::{ArchiveError, Entry, MAX_LINES, MAX_MACHINES, Merge, Until};
use bytes::Bytes;
use futures::Stream;
use saltpeter_domain::search::{Pattern, Wanted};
use saltpeter_protocol::api::{
    ApiError, ErrorCode, LinesPage, LinesQuery, SameOutput, SearchQuery, SearchStep, read_position,
};
use saltpeter_protocol::{MachineId, RunId};
use std::sync::Arc;

/// The most hits that one step of a search tells.
const MAX_HITS: usize = 1_000;

impl Ops {
    /// Searches a machine's output, one step further.
    pub async fn search(
        &self,
        run: &RunId,
        machine: &MachineId,
        query: &SearchQuery,
    ) -> Result<SearchStep, ApiError> {
        let attempt = self.find_attempt(run, machine, query.attempt).await?;
        let pattern = if query.regex {
            Pattern::expression(&query.q, query.case)
        } else {
            Pattern::literal(&query.q, query.case)
        };
        let pattern =
            pattern.map_err(|error| ApiError::new(ErrorCode::Invalid, error.to_string()))?;
        let wanted = Wanted {
            skip: query.skip.unwrap_or(0),
            limit: query.limit.unwrap_or(MAX_HITS).min(MAX_HITS),
        };
        let until = match query.skip {
            Some(_) => Until::Hits,
            None => Until::Time,
        };
        let (part, pattern) = ((machine, attempt), Arc::new(pattern));
        let outputs = &self.parts.outputs;
        let step = outputs.search(run, part, pattern, query.line, wanted, until);
        step.await.map_err(|e| internal(&e))
    }

    /// A page of lines of one or several machines.
    pub async fn merged_lines(
        &self,
        run: &RunId,
        query: &LinesQuery,
    ) -> Result<LinesPage, ApiError> {
        let wrong = |message: String| ApiError::new(ErrorCode::BadRequest, message);
        let machines: Vec<&str> = query.machines.split_whitespace().collect();
        if !(1..=MAX_MACHINES).contains(&machines.len()) {
            return Err(wrong(format!(
                "machines names {}; give one to {MAX_MACHINES}, with spaces between them",
                machines.len()
            )));
        }
        if query.attempt.is_some() && machines.len() > 1 {
            let message =
                "an attempt can be given for one machine only; of several the newest is shown";
            return Err(wrong(message.to_owned()));
        }
        let mut parts = Vec::with_capacity(machines.len());
        for name in machines {
            let machine = MachineId::new(name)
                .map_err(|error| ApiError::new(ErrorCode::UnknownMachine, error.to_string()))?;
            let attempt = self.find_attempt(run, &machine, query.attempt).await?;
            parts.push((machine, attempt));
        }
        let at = match &query.at {
            None => None,
            Some(text) => {
                let at = read_position(text).filter(|at| at.len() == parts.len());
                Some(at.ok_or_else(|| {
                    wrong(format!(
                        "at is {text:?}; it has a line number for each of the {} machines, with commas between them",
                        parts.len()
                    ))
                })?)
            }
        };
        let merge = Merge {
            run: run.clone(),
            parts,
            stderr: query.stderr,
            at,
            reading: query.reading,
            limit: query.limit.unwrap_or(MAX_LINES).clamp(1, MAX_LINES),
        };
        let page = self.parts.outputs.merge(&merge).await;
        page.map_err(|e| internal(&e))
    }

    /// The machines of a run, grouped by what they have written.
    pub async fn grouped_output(&self, run: &RunId) -> Result<Vec<SameOutput>, ApiError> {
        let stored = self.stored_run(run).await?;
        let machines = stored.machines().iter();
        let parts = machines.map(|(id, machine)| (id.clone(), machine.attempt()));
        let parts = parts.collect();
        let groups = self.parts.outputs.same(run, parts).await;
        groups.map_err(|e| internal(&e))
    }

    /// All that the machines of a run have written, every attempt of it, as a tar archive.
    pub async fn output_archive(
        &self,
        run: &RunId,
    ) -> Result<impl Stream<Item = Result<Bytes, ArchiveError>> + Send + use<>, ApiError> {
        let stored = self.stored_run(run).await?;
        let at = stored.head().created;
        let entries = stored.machines().iter().flat_map(|(id, machine)| {
            let newest = machine.attempt();
            newest.up_to().map(move |attempt| Entry {
                machine: id.clone(),
                attempt,
                newest: attempt == newest,
            })
        });
        let entries = entries.collect();
        Ok(self.parts.outputs.archive(run.clone(), at, entries))
    }
}
