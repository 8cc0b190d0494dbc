//! How each stream of a run ends: what there is to know of it without reading it.

use super::error::OutputError;
use super::fingerprint::Fingerprint;
use super::{Durable, OutputLog};
use saltpeter_protocol::api::OutputLength;
use saltpeter_protocol::{Attempt, MachineId, RunId};
use std::collections::BTreeMap;

/// The end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Its length in bytes.
    pub bytes: u64,
    /// The line feeds among them.
    pub lines: u64,
    /// What tells its bytes from others.
    pub fingerprint: Fingerprint,
}

pub(super) const ENDS: &str = "SELECT machine, attempt, b.start + raw_len, first_line + line_feeds, fingerprint \
     FROM output_stream s JOIN output_block b ON b.id = \
     (SELECT block FROM output_place WHERE stream = s.id ORDER BY start DESC LIMIT 1) WHERE s.run = $1";

type Row = (String, u32, i64, i64, Option<Vec<u8>>);

impl End {
    fn of(durable: Durable) -> Self {
        let OutputLength { bytes, lines } = durable.length;
        Self {
            bytes,
            lines,
            fingerprint: durable.fingerprint,
        }
    }
}

impl OutputLog {
    /// How the output of each attempt of a run's machines ends now; those without any are left out.
    pub async fn ends(
        &self,
        run: &RunId,
    ) -> Result<BTreeMap<(MachineId, Attempt), End>, OutputError> {
        // First those in memory, since the index may lack some of theirs.
        let held = self.inner.streams.held_of(run);
        let rows: Vec<Row> = sqlx::query_as(ENDS)
            .bind(run.as_str())
            .fetch_all(&self.inner.readers)
            .await?;
        let known = rows
            .into_iter()
            .filter_map(|(machine, attempt, bytes, lines, fingerprint)| {
                let machine = MachineId::new(&machine).ok()?;
                let end = End {
                    bytes: bytes as u64,
                    lines: lines as u64,
                    fingerprint: Fingerprint::from_row(fingerprint.as_deref()),
                };
                Some(((machine, Attempt::try_from(attempt).ok()?), end))
            });
        let mut ends: BTreeMap<_, _> = known.collect();
        for cell in held {
            let end = End::of(cell.durable());
            if end.bytes > 0 {
                ends.insert((cell.machine.clone(), cell.attempt), end);
            }
        }
        Ok(ends)
    }
}
