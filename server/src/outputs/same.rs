//! Which machines of a run have written the same.

use super::{OutputError, Outputs};
use crate::store::output::End;
use saltpeter_protocol::api::{OutputLength, SameOutput};
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::collections::BTreeMap;

impl Outputs {
    /// Groups these attempts of a run's machines by what they have written, byte for byte; the largest group first. No output is read.
    pub async fn same(
        &self,
        run: &RunId,
        parts: Vec<(MachineId, Attempt)>,
    ) -> Result<Vec<SameOutput>, OutputError> {
        let ends = self.log.ends(run).await?;
        Ok(group(parts, &ends))
    }
}

fn group(
    parts: Vec<(MachineId, Attempt)>,
    ends: &BTreeMap<(MachineId, Attempt), End>,
) -> Vec<SameOutput> {
    let mut known: BTreeMap<Option<End>, Vec<MachineId>> = BTreeMap::new();
    let mut groups = Vec::new();
    for part in parts {
        match ends.get(&part) {
            // Written before there were fingerprints: who knows.
            Some(end) if !end.fingerprint.is_known() => groups.push(same(Some(*end), vec![part.0])),
            end => known.entry(end.copied()).or_default().push(part.0),
        }
    }
    groups.extend(known.into_iter().map(|(end, machines)| same(end, machines)));
    for group in &mut groups {
        group.machines.sort_unstable();
    }
    groups.sort_by(|a, b| {
        let larger = b.machines.len().cmp(&a.machines.len());
        larger.then_with(|| a.machines.cmp(&b.machines))
    });
    groups
}

fn same(end: Option<End>, machines: Vec<MachineId>) -> SameOutput {
    SameOutput {
        length: end.map_or_else(OutputLength::default, |end| OutputLength {
            bytes: end.bytes,
            lines: end.lines,
        }),
        machines,
    }
}
