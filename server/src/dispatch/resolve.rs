//! Finding the machines of a run, in two steps: it begins on those that have answered after a moment, and those that
//! are slower follow. So neither a dead machine holds the others up, nor is a slow one given up.

use super::Inner;
use super::choice::{Choice, Matched};
use crate::executor::{Answer, ExecutorError, Matching};
use crate::runs::{Dispatched, ResolveOrder, RunHandle};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;

/// How long the run waits for machines' answers before it begins on those that have come. When none has, it waits for
/// the first.
pub(super) const FIRST_ANSWERS: Duration = Duration::from_millis(1500);

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
        let mut matched = Matched::expecting(expected);
        first_answers(&mut matched, &mut answers).await;
        let resolution = self.choose(order, |choice| choice.of(&matched));
        let is_over = resolution.awaited.is_empty() && resolution.open == 0;
        reply.report(Dispatched::Resolved(resolution)).await;
        if is_over {
            return;
        }
        while !matched.is_complete()
            && let Some(answer) = answers.next().await
        {
            // What has come together is reported together.
            let mut heard = vec![answer];
            while let Some(Some(answer)) = answers.next().now_or_never() {
                heard.push(answer);
            }
            heard.retain(|answer| matched.hear(answer));
            let late = self.choose(order, |choice| choice.late(heard));
            reply.report(Dispatched::Late(late)).await;
        }
        matched.close();
        let last = self.choose(order, |choice| choice.last(&matched));
        reply.report(Dispatched::Late(last)).await;
    }

    /// Asks the executor; one that is away again and again, for as long as the run may still begin.
    async fn ask(&self, order: &ResolveOrder) -> Result<Matching, String> {
        let window = self.config.current().settings.start_window;
        let until = order.created + window;
        let mut pause = RETRY_FIRST;
        loop {
            let away = match self.executor.resolve(&order.spec.targets).await {
                Ok(matching) => return Ok(matching),
                Err(ExecutorError::Failed(message)) => return Err(message),
                Err(ExecutorError::Away(message)) => message,
            };
            if self.clock.now() + pause >= until {
                return Err(format!(
                    "{away} It was tried again until the start window of {} s (start_window) was over.",
                    window.as_secs()
                ));
            }
            tracing::warn!(run = %order.run, ?pause, "the machines cannot be found out yet: {away}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    /// Applies `pick` to what the run wants at this moment.
    fn choose<T>(&self, order: &ResolveOrder, pick: impl FnOnce(&Choice) -> T) -> T {
        let maintenance = Arc::clone(&self.config.current().maintenance);
        pick(&Choice {
            only: order.only.as_ref(),
            number: order.spec.number_of_targets,
            maintenance: &maintenance,
            now: self.clock.now(),
        })
    }
}

/// Hears what comes in the first moment, or all of it if that is sooner.
async fn first_answers(matched: &mut Matched, answers: &mut BoxStream<'static, Answer>) {
    let mut moment = std::pin::pin!(tokio::time::sleep(FIRST_ANSWERS));
    let mut over = false;
    while !(matched.is_complete() || over && matched.any_up()) {
        tokio::select! {
            answer = answers.next() => match answer {
                Some(answer) => {
                    matched.hear(&answer);
                }
                None => {
                    matched.close();
                }
            },
            () = &mut moment, if !over => over = true,
        }
    }
}
