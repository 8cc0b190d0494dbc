//! What somebody has typed and not saved. It stays while they look at other pages, and the browser asks before the tab goes.
//! It is in this tab's memory alone: a job's text may have secrets in it.

use crate::browser;
use std::cell::{Cell, RefCell};

/// Texts that are kept; the oldest goes first.
const DRAFTS: usize = 16;

/// A text that is not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// The job that it is of; `None`: a new one.
    pub(super) job: Option<String>,
    /// The version of the file that it was begun from.
    pub(super) version: String,
    pub(super) text: String,
}

/// The texts, the newest last.
#[derive(Debug, Default)]
struct Drafts(Vec<Draft>);

impl Drafts {
    fn keep(&mut self, draft: Draft) {
        self.forget(draft.job.as_deref());
        self.0.push(draft);
        if self.0.len() > DRAFTS {
            self.0.remove(0);
        }
    }

    fn forget(&mut self, job: Option<&str>) {
        self.0.retain(|draft| draft.job.as_deref() != job);
    }

    fn find(&self, job: Option<&str>) -> Option<&Draft> {
        self.0.iter().find(|draft| draft.job.as_deref() == job)
    }
}

thread_local! {
    static KEPT: RefCell<Drafts> = RefCell::default();
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a text in place of the one of the same job.
pub(super) fn keep(draft: Draft) {
    KEPT.with_borrow_mut(|kept| kept.keep(draft));
    if !ASKS.replace(true) {
        browser::ask_before_leaving(|| KEPT.with_borrow(|kept| !kept.0.is_empty()));
    }
}

/// Forgets the job's text: it is saved, or not wanted.
pub(super) fn forget(job: Option<&str>) {
    KEPT.with_borrow_mut(|kept| kept.forget(job));
}

/// The job's text, if there is one.
pub(super) fn find(job: Option<&str>) -> Option<Draft> {
    KEPT.with_borrow(|kept| kept.find(job).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_one_and_the_oldest_goes() {
        let draft = |job: Option<&str>, text: &str| Draft {
            job: job.map(str::to_owned),
            version: "1".to_owned(),
            text: text.to_owned(),
        };
        let mut drafts = Drafts::default();
        drafts.keep(draft(None, "new"));
        drafts.keep(draft(Some("a"), "first"));
        drafts.keep(draft(Some("a"), "second"));
        assert_eq!(drafts.find(Some("a")).unwrap().text, "second");
        assert_eq!(drafts.find(None).unwrap().text, "new");
        drafts.forget(Some("a"));
        assert_eq!(drafts.find(Some("a")), None);
        for job in 0..DRAFTS {
            drafts.keep(draft(Some(&job.to_string()), ""));
        }
        assert_eq!(drafts.0.len(), DRAFTS);
        assert_eq!(drafts.find(None), None);
    }
}
