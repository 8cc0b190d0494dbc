//! A version 1 wrapper whose command writes as fast as it can.

use super::{Figures, LASTS};
use crate::played::Part;
use anyhow::{Result, ensure};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v1;
use std::collections::VecDeque;
use std::time::Instant;

/// How many there are.
pub(super) const WRITERS: usize = 200;

/// Messages that each has on its way.
const WINDOW: usize = 16;

const LINE: &str = "a line of output, as short as most of them are, for there are many\n";

/// Keeps [`WINDOW`] messages on their way.
pub(super) async fn wrapper(part: Part) -> Result<Figures> {
    let mut wire = part.connect_v1().await?;
    let envelope = serde_json::to_value(v1::Envelope {
        job_name: part.target.job.to_string(),
        job_instance: part.target.run.to_string(),
        machine: part.machine()?.to_string(),
        timestamp: "2026-01-01T00:00:00+00:00".to_owned(),
    })?;
    let whole = |message: v1::FromWrapper| -> Result<serde_json::Value> {
        let mut whole = serde_json::to_value(message)?;
        if let (Some(whole), Some(envelope)) = (whole.as_object_mut(), envelope.as_object()) {
            whole.extend(envelope.clone());
        }
        Ok(whole)
    };
    wire.say(&whole(v1::FromWrapper::Connect)?).await?;
    let _: v1::FromServer = wire.hear().await?;

    let mut figures = Figures::default();
    let mut waiting = VecDeque::new();
    part.start.wait().await;
    let begin = Instant::now();
    let mut seq = 0;
    while begin.elapsed() < LASTS || !waiting.is_empty() {
        while waiting.len() < WINDOW && begin.elapsed() < LASTS {
            let output = v1::FromWrapper::Output {
                stream: Stream::Stdout,
                data: LINE.to_owned(),
                seq: Some(seq),
            };
            waiting.push_back(Instant::now());
            wire.say(&whole(output)?).await?;
            seq += 1;
        }
        let answer: v1::FromServer = wire.hear().await?;
        ensure!(matches!(answer, v1::FromServer::Ack { .. }), "{answer:?}");
        if let Some(sent) = waiting.pop_front() {
            figures.latencies.push(sent.elapsed());
            figures.acknowledged += 1;
        }
    }
    figures.took = begin.elapsed();
    let complete = v1::FromWrapper::Complete {
        retcode: 0,
        seq: Some(seq),
        output: None,
    };
    wire.say(&whole(complete)?).await?;
    let _: v1::FromServer = wire.hear().await?;
    Ok(figures)
}
