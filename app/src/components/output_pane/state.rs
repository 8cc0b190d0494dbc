//! What a pane holds and does, for its many small handlers.

use super::super::window::OVERSCAN;
use super::geometry::{Geometry, LINE};
use super::{Source, Start};
use crate::format;
use crate::live::{Delivery, Live, Subscription};
use crate::output::{OutputModel, Shown};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use saltpeter_protocol::live::SubscriptionId;
use std::sync::Arc;
use std::time::Duration;

/// Outputs of so many lines are in the page whole, and laid out by the browser alone.
const WHOLE: u64 = 200;
/// What is fetched when one scrolls elsewhere, in bytes.
const WINDOW: usize = 256 * 1024;
/// When so many bytes are still to come, they are left out, and the end is read anew.
const SKIP_OVER: u64 = 2 * 1024 * 1024;
/// Wait after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Everything about a pane, for its many small handlers.
#[derive(Clone, Copy)]
pub(crate) struct PaneState {
    pub(super) live: Live,
    pub(crate) source: StoredValue<Source>,
    pub(super) model: StoredValue<OutputModel>,
    pub(super) subscription: StoredValue<Option<SubscriptionId>>,
    pub(super) view: RwSignal<Vec<Shown>>,
    pub(super) lines: RwSignal<u64>,
    pub(super) bytes: RwSignal<u64>,
    pub(super) follow: RwSignal<bool>,
    /// Lines that there were when following stopped.
    pub(super) seen: RwSignal<u64>,
    pub(super) refused: RwSignal<Option<String>>,
    pub(super) scheduled: StoredValue<bool>,
    pub(super) fetching: StoredValue<bool>,
    pub(super) last_top: StoredValue<f64>,
    pub(super) pane: NodeRef<html::Div>,
    pub(super) space: NodeRef<html::Div>,
    pub(super) block: NodeRef<html::Div>,
}

impl PaneState {
    pub(super) fn new(live: Live, source: Source, mut model: OutputModel) -> Self {
        let lines = model.lines();
        let view = model.view(lines.saturating_sub(WHOLE), lines);
        Self {
            live,
            source: StoredValue::new(source),
            view: RwSignal::new(view),
            lines: RwSignal::new(lines),
            bytes: RwSignal::new(model.end()),
            model: StoredValue::new(model),
            subscription: StoredValue::new(None),
            follow: RwSignal::new(true),
            seen: RwSignal::new(lines),
            refused: RwSignal::new(None),
            scheduled: StoredValue::new(false),
            fetching: StoredValue::new(false),
            last_top: StoredValue::new(0.0),
            pane: NodeRef::new(),
            space: NodeRef::new(),
            block: NodeRef::new(),
        }
    }

    /// What is still on its way may arrive after the pane is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.model.is_disposed()
    }

    pub(super) fn subscribe(self) {
        let Source {
            run,
            machine,
            attempt,
        } = self.source.get_value();
        let sub = self.live.subscribe(Subscription {
            run,
            machine,
            attempt,
            from: Arc::new(move || {
                self.model
                    .try_with_value(OutputModel::end)
                    .unwrap_or_default()
            }),
            deliver: Arc::new(move |delivery| self.take(delivery)),
        });
        self.subscription.set_value(Some(sub));
    }

    pub(super) fn unsubscribe(self) {
        if let Some(Some(sub)) = self.subscription.try_get_value() {
            self.live.unsubscribe(sub);
            self.subscription.set_value(None);
        }
    }

    pub(super) fn take(self, delivery: Delivery) {
        if self.is_gone() {
            return;
        }
        match delivery {
            Delivery::Output(slice) => {
                let end = slice.offset + slice.bytes.len() as u64;
                let behind = slice.total.bytes.saturating_sub(end);
                let mut whole = true;
                self.model
                    .update_value(|model| whole = model.append(&slice).is_ok());
                if !whole || behind > SKIP_OVER {
                    self.jump();
                }
                self.schedule();
            }
            Delivery::Refused(message) => self.refused.set(Some(message)),
        }
    }

    /// Reads the end anew, rather than all that lies between.
    pub(super) fn jump(self) {
        self.unsubscribe();
        spawn_local(async move {
            let read = Start::read(self.source.get_value()).await;
            if self.is_gone() {
                return;
            }
            if let Ok(start) = read {
                let slice = start.unpack();
                self.model.update_value(|model| model.jump(&slice));
            }
            self.subscribe();
            self.schedule();
        });
    }

    /// Draws in the next frame; however much comes until then is drawn at once.
    pub(super) fn schedule(self) {
        if self.scheduled.get_value() {
            return;
        }
        self.scheduled.set_value(true);
        request_animation_frame(move || {
            if !self.is_gone() {
                self.scheduled.set_value(false);
                self.draw();
            }
        });
    }

    pub(super) fn draw(self) {
        let (Some(pane), Some(space), Some(block)) = (
            self.pane.get_untracked(),
            self.space.get_untracked(),
            self.block.get_untracked(),
        ) else {
            return;
        };
        let (lines, bytes) = self.model.with_value(|model| (model.lines(), model.end()));
        if self.lines.get_untracked() != lines {
            self.lines.set(lines);
        }
        if self.bytes.get_untracked() != bytes {
            self.bytes.set(bytes);
        }
        let follow = self.follow.get_untracked();
        let geometry = Geometry::new(lines, f64::from(pane.client_height()));
        let (from, to, style) = if lines <= WHOLE {
            (0, lines, (String::new(), "position:static".to_owned()))
        } else {
            let top = f64::from(pane.scroll_top());
            let first = if follow {
                lines.saturating_sub(geometry.rows())
            } else {
                geometry.line_at(top)
            };
            let from = first.saturating_sub(OVERSCAN as u64);
            let to = (first + geometry.rows() + OVERSCAN as u64).min(lines);
            let place = if follow {
                "bottom:0".to_owned()
            } else if geometry.is_exact() {
                format!("top:{}", format::pixels(from as f64 * LINE))
            } else {
                format!("top:{}", format::pixels(top - (first - from) as f64 * LINE))
            };
            (
                from,
                to,
                (format!("height:{}", format::pixels(geometry.space)), place),
            )
        };
        // These attributes can always be set.
        let _ = space.set_attribute("style", &style.0);
        let _ = block.set_attribute("style", &style.1);
        self.show(from, to);
        self.fetch(from, to);
    }

    /// Puts these lines into the page; before the others one at a time (docs/decisions/0021), all of them before the frame is
    /// shown.
    fn show(self, from: u64, to: u64) {
        let first = self
            .view
            .with_untracked(|view| view.first().map(|shown| shown.number));
        let next = match first {
            Some(first) if from < first && first < to => first - 1,
            _ => from,
        };
        let mut shown = Vec::new();
        self.model
            .update_value(|model| shown = model.view(next, to));
        self.view.set(shown);
        if next > from {
            queue_microtask(move || {
                if !self.is_gone() {
                    self.show(from, to);
                }
            });
        }
    }

    pub(super) fn scroll_to_end(self) {
        if let Some(pane) = self.pane.get_untracked() {
            pane.set_scroll_top(pane.scroll_height());
            self.last_top.set_value(f64::from(pane.scroll_top()));
        }
    }

    pub(super) fn fetch(self, from: u64, to: u64) {
        if self.fetching.get_value() {
            return;
        }
        let Some(asked) = self.model.with_value(|model| model.missing(from, to)) else {
            return;
        };
        self.fetching.set_value(true);
        spawn_local(async move {
            let read = self.source.get_value().read(asked, WINDOW).await;
            if self.is_gone() {
                return;
            }
            self.fetching.set_value(false);
            match read {
                Ok(slice) => {
                    self.model.update_value(|model| model.insert(&slice, asked));
                    self.schedule();
                }
                Err(_) => set_timeout(
                    move || {
                        if !self.is_gone() {
                            self.schedule();
                        }
                    },
                    RETRY_AFTER,
                ),
            }
        });
    }

    pub(super) fn scrolled(self) {
        let Some(pane) = self.pane.get_untracked() else {
            return;
        };
        let top = f64::from(pane.scroll_top());
        let rest = f64::from(pane.scroll_height()) - top - f64::from(pane.client_height());
        let follows = self.follow.get_untracked();
        // The page itself only ever scrolls down, so upwards was a person.
        if follows && rest > LINE && top < self.last_top.get_value() - 1.0 {
            self.stop();
        } else if !follows && rest < 2.0 {
            self.follow.set(true);
        }
        self.last_top.set_value(top);
        self.schedule();
    }

    pub(super) fn stop(self) {
        self.seen.set(self.model.with_value(OutputModel::lines));
        self.follow.set(false);
    }

    /// Brings the pane's lower end into the window, if it is below.
    pub(crate) fn come_into_window(self) {
        let height = window()
            .inner_height()
            .ok()
            .and_then(|height| height.as_f64());
        if let (Some(pane), Some(height)) = (self.pane.get_untracked(), height)
            && pane.get_bounding_client_rect().bottom() > height
        {
            pane.scroll_into_view_with_bool(false);
        }
    }

    pub(super) fn go_to_end(self) {
        self.follow.set(true);
        self.draw();
        self.scroll_to_end();
    }

    /// Shows line `number`, counted from 0.
    pub(crate) fn go_to_line(self, number: u64) {
        self.stop();
        self.draw();
        if let Some(pane) = self.pane.get_untracked() {
            let height = f64::from(pane.client_height());
            let geometry = Geometry::new(self.lines.get_untracked(), height);
            // A few lines of what came before are shown too.
            let top = geometry.top_of(number.saturating_sub(4));
            pane.set_scroll_top(top as i32);
            self.last_top.set_value(f64::from(pane.scroll_top()));
        }
        self.schedule();
    }
}
