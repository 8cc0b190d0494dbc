//! What is asked while somebody types: only once typing rests, and an answer counts only if nothing has changed since.

use leptos::prelude::*;
use std::time::Duration;

/// Counts changes.
#[derive(Clone, Copy)]
pub(crate) struct Changes(StoredValue<u32>);

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    all: StoredValue<u32>,
    mine: u32,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self(StoredValue::new(0))
    }

    /// Counts one more.
    pub(crate) fn next(self) -> Change {
        let mine = self.0.get_value().wrapping_add(1);
        self.0.set_value(mine);
        Change { all: self.0, mine }
    }

    /// The one that there has been last; something before the first if there has been none.
    pub(crate) fn last(self) -> Change {
        Change {
            all: self.0,
            mine: self.0.get_value(),
        }
    }
}

impl Change {
    /// Whether there has been no other since, and the page is still there.
    pub(crate) fn is_last(self) -> bool {
        self.all.try_get_value() == Some(self.mine)
    }

    /// Does something once there has been no other for a while.
    pub(crate) fn rested(self, for_so_long: Duration, then: impl FnOnce() + 'static) {
        set_timeout(
            move || {
                if self.is_last() {
                    then();
                }
            },
            for_so_long,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_change_counts() {
        let owner = Owner::new();
        owner.set();
        let changes = Changes::new();
        let first = changes.next();
        assert!(first.is_last());
        let second = changes.next();
        assert!(!first.is_last() && second.is_last());
        assert!(changes.last().is_last(), "asking is no change");
        assert!(second.is_last());
        owner.cleanup();
        assert!(!second.is_last());
    }
}
