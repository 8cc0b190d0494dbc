//! A version 1 wrapper whose command writes as fast as it can.

use super::{Figures, LASTS};
use crate::played::{Part, Target, on_one_thread};
use anyhow::{Result, ensure};
use saltpeter_protocol::machine::Stream;
use saltpeter_protocol::machine::v1;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How many there are.
pub(super) const WRITERS: usize = 200;

/// Messages that each has on its way.
const WINDOW: usize = 16;

const LINE: &str = "a line of output, as short as most of them are, for there are many\n";

/// Plays them to their end.
pub(super) fn play(target: Target) -> Result<Figures> {
    on_one_thread(async {
        let target = Arc::new(target);
        let start = Arc::new(Barrier::new(WRITERS));
        let mut wrappers: JoinSet<Result<Figures>> = (0..WRITERS)
            .map(|number| wrapper(Part::new(&target, number), Arc::clone(&start)))
            .collect();
        let mut sum = Figures::default();
        while let Some(figures) = wrappers.join_next().await {
            sum.add(figures??);
        }
        Ok(sum)
    })
}

/// Keeps [`WINDOW`] messages on their way.
async fn wrapper(part: Part, start: Arc<Barrier>) -> Result<Figures> {
    let (mut to, mut from) = part.connect_v1().await?;
    let envelope = v1::Envelope {
        job_name: part.target.job.to_string(),
        job_instance: part.target.run.to_string(),
        machine: part.machine()?.to_string(),
        timestamp: "2026-01-01T00:00:00+00:00".to_owned(),
    };
    let envelope = serde_json::to_value(envelope)?;
    let whole = |message: v1::FromWrapper| -> Result<serde_json::Value> {
        let mut whole = serde_json::to_value(message)?;
        if let (Some(whole), Some(envelope)) = (whole.as_object_mut(), envelope.as_object()) {
            whole.extend(envelope.clone());
        }
        Ok(whole)
    };
    to.say(&whole(v1::FromWrapper::Connect)?).await?;
    from.hear(|_: v1::FromServer| true).await?;

    let mut figures = Figures::default();
    let mut waiting = VecDeque::new();
    start.wait().await;
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
            to.say(&whole(output)?).await?;
            seq += 1;
        }
        let heard = |said| {
            if let v1::FromServer::Ack { .. } = said
                && let Some(sent) = waiting.pop_front()
            {
                figures.latencies.push(sent.elapsed());
                figures.acknowledged += 1;
            }
            true
        };
        from.hear(heard).await?;
    }
    figures.took = begin.elapsed();
    let complete = v1::FromWrapper::Complete {
        retcode: 0,
        seq: Some(seq),
        output: None,
    };
    to.say(&whole(complete)?).await?;
    from.hear(|_: v1::FromServer| true).await?;
    ensure!(
        seq == figures.acknowledged,
        "{seq} were sent, {} acknowledged",
        figures.acknowledged
    );
    Ok(figures)
}
