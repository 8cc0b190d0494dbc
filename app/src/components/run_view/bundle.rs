//! A run as a page brings it along.

use crate::client;
use crate::components::listing::{Picked, to_merge};
use crate::components::matrix::first_to_show;
use crate::components::output_pane::{Source, Start};
use saltpeter_protocol::api::{ApiError, LinesPage, MachineRow, RunDetail, SameOutput};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use serde::{Deserialize, Serialize};

/// A run as a page brings it along: with the end of one machine's output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunBundle {
    pub(super) detail: RunDetail,
    pub(super) output: Option<(Source, Start)>,
    pub(super) merged: Option<(Vec<MachineId>, LinesPage)>,
    pub(super) same: Option<Vec<SameOutput>>,
}

/// What the address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// This machine.
    pub(crate) machine: MachineId,
    /// This attempt of it; the newest without one.
    pub(crate) attempt: Option<Attempt>,
}

/// The attempt to show of a machine: the one that is asked for, if there was such a one, or else the newest.
pub(super) fn attempt_to_show(row: &MachineRow, asked: Option<&Asked>) -> Attempt {
    asked
        .filter(|asked| asked.machine == row.machine)
        .and_then(|asked| asked.attempt)
        .filter(|attempt| *attempt <= row.attempt)
        .unwrap_or(row.attempt)
}

impl RunBundle {
    /// Reads a run, and the output of the machine asked for or of the first one to look at; or of several, merged.
    pub(crate) async fn read(
        run: RunId,
        asked: Option<Asked>,
        merged: Option<String>,
    ) -> Result<Self, ApiError> {
        let detail = client::run(run.clone()).await?;
        let same = match detail.machines.len() {
            // The page asks again for what could not be read.
            2.. => client::same_output(run.clone()).await.ok(),
            _ => None,
        };
        let machines = merged
            .map(|text| to_merge(&detail, &text))
            .unwrap_or_default();
        if !machines.is_empty() {
            let page = merge(run, machines.clone()).read().await.ok();
            return Ok(Self {
                detail,
                output: None,
                merged: page.map(|page| (machines, page)),
                same,
            });
        }
        let machine = asked.as_ref().map(|asked| asked.machine.clone());
        let machine = machine.or_else(|| first_to_show(&detail));
        let row = detail
            .machines
            .iter()
            .find(|row| Some(&row.machine) == machine.as_ref());
        let output = match row {
            // When there is none to read, the pane tries again and says why.
            Some(row) => {
                let source = Source {
                    run,
                    machine: row.machine.clone(),
                    attempt: attempt_to_show(row, asked.as_ref()),
                };
                let start = Start::read(source.clone()).await.ok();
                start.map(|start| (source, start))
            }
            None => None,
        };
        Ok(Self {
            detail,
            output,
            merged: None,
            same,
        })
    }

    /// Its name.
    pub(crate) fn run(&self) -> &RunId {
        &self.detail.summary.id
    }
}

fn merge(run: RunId, machines: Vec<MachineId>) -> Picked {
    Picked {
        run,
        machines,
        attempt: None,
        stderr: false,
    }
}
