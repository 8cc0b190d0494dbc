//! Finding the machines of a run, in two steps: it begins on those that have answered after a moment, and those that
//! are slower follow. So neither a dead machine holds the others up, nor is a slow one given up.

use super::Inner;
use super::choice::{Choice, Matched};
use super::comeback::Comeback;
use crate::executor::{Answer, ExecutorError, Matching};
use crate::runs::{Dispatched, ResolveOrder, RunHandle};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the run waits for machines' answers before it begins on those that have come. When none has, it waits for
/// the first.
pub(super) const FIRST_ANSWERS: Duration = Duration::from_millis(1500);

/// Answers that come later are gathered before the run begins on them, so that one call serves them all and a busy Salt
/// is not asked once for each machine: for this part of the time that the first of them took, and not for long.
const GATHER_PART: u32 = 4;
/// The longest time for which they are gathered.
const GATHER_LONGEST: Duration = Duration::from_millis(500);

/// First pause before the executor is asked again that was away.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest such pause.
const RETRY_LONGEST: Duration = Duration::from_secs(10);

impl Inner {
    /// Finds the machines of `order` and reports them, and then those that answer late.
    pub(super) async fn resolve(&self, order: &ResolveOrder, reply: &RunHandle) {
        let Matching {
            expected,
            mut answers,
        } = match self.ask(order).await {
            Ok(matching) => matching,
            Err(message) => {
                tracing::warn!(run = %order.run, "the machines could not be found out: {message}");
                return reply.report(Dispatched::ResolveFailed { message }).await;
            }
        };
        let asked = Instant::now();
        let mut matched = Matched::expecting(expected);
        first_answers(&mut matched, &mut answers, asked).await;
        let resolution = self.choose(order, |choice| choice.of(&matched));
        let is_over = resolution.awaited.is_empty() && resolution.open == 0;
        reply.report(Dispatched::Resolved(resolution)).await;
        if is_over {
            return;
        }
        while !matched.is_complete()
            && let Some(answer) = answers.next().await
        {
            let until = Instant::now() + gathering(asked);
            let mut heard = Vec::new();
            let mut next = Some(answer);
            while let Some(answer) = next {
                if matched.hear(&answer) {
                    heard.push(answer);
                }
                next = if matched.is_complete() {
                    None
                } else {
                    let answer = tokio::time::timeout_at(until, answers.next()).await;
                    answer.unwrap_or_default()
                };
            }
            let late = self.choose(order, |choice| choice.late(heard));
            reply.report(Dispatched::Late(late)).await;
        }
        matched.close();
        let last = self.choose(order, |choice| choice.last(&matched));
        reply.report(Dispatched::Late(last)).await;
    }

    /// Asks the executor; one that is away again and again, for as long as the run may still begin. When it is back, the
    /// machines are given as long to be so too.
    async fn ask(&self, order: &ResolveOrder) -> Result<Matching, String> {
        let window = self.parts.config.current().settings.start_window;
        let until = order.created + window;
        let mut pause = RETRY_FIRST;
        let mut was_away = false;
        loop {
            let away = match self.parts.executor.resolve(&order.spec.targets).await {
                Ok(matching) if was_away => {
                    let comeback = Comeback {
                        executor: Arc::clone(&self.parts.executor),
                        targets: order.spec.targets.clone(),
                        clock: Arc::clone(&self.parts.clock),
                        until,
                    };
                    return Ok(comeback.of(matching));
                }
                Ok(matching) => return Ok(matching),
                Err(ExecutorError::Failed(message)) => return Err(message),
                Err(ExecutorError::Away(message)) => message,
            };
            if self.parts.clock.now() + pause >= until {
                return Err(format!(
                    "{away} It was tried again until the start window of {} s (start_window) was over.",
                    window.as_secs()
                ));
            }
            tracing::warn!(run = %order.run, ?pause, "the machines cannot be found out yet: {away}");
            was_away = true;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    /// Applies `pick` to what the run wants at this moment.
    fn choose<T>(&self, order: &ResolveOrder, pick: impl FnOnce(&Choice) -> T) -> T {
        let maintenance = Arc::clone(&self.parts.config.current().maintenance);
        pick(&Choice {
            only: order.only.as_ref(),
            number: order.spec.number_of_targets,
            maintenance: &maintenance,
            now: self.parts.clock.now(),
        })
    }
}

/// For how long more answers are gathered when the first of them has come.
fn gathering(asked: Instant) -> Duration {
    (asked.elapsed() / GATHER_PART).min(GATHER_LONGEST)
}

/// Hears what comes in the first moment, or all of it if that is sooner. Where nothing comes in that moment, the first
/// answer gets company before the run begins.
async fn first_answers(
    matched: &mut Matched,
    answers: &mut BoxStream<'static, Answer>,
    asked: Instant,
) {
    let mut moment = std::pin::pin!(tokio::time::sleep(FIRST_ANSWERS));
    let mut over = false;
    while !(matched.is_complete() || over && matched.any_up()) {
        tokio::select! {
            answer = answers.next() => match answer {
                Some(answer) => {
                    matched.hear(&answer);
                    if over && matched.any_up() {
                        over = false;
                        moment.as_mut().reset(Instant::now() + gathering(asked));
                    }
                }
                None => {
                    matched.close();
                }
            },
            () = &mut moment, if !over => over = true,
        }
    }
}
