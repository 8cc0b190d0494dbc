//! What a page's parts share, on the server too.
//!
//! There several threads may draw parts of one page at once. A `StoredValue` that another thread is writing counts as
//! disposed, and reading it panics; this one waits.

use leptos::prelude::*;
use std::sync::{Arc, PoisonError, RwLock};

/// A value that is kept as long as the page. Copies share it.
pub(super) struct Cell<T: 'static>(StoredValue<Arc<RwLock<T>>>);

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cell<T> {}

impl<T: Send + Sync> Cell<T> {
    pub(super) fn new(value: T) -> Self {
        Self(StoredValue::new(Arc::new(RwLock::new(value))))
    }

    /// Reads it. Nothing is to be written meanwhile.
    pub(super) fn with<U>(&self, read: impl FnOnce(&T) -> U) -> U {
        let lock = self.0.get_value();
        // A part that failed while writing has failed for all of the page.
        let value = lock.read().unwrap_or_else(PoisonError::into_inner);
        read(&value)
    }

    /// Changes it; none when the page is gone. It is neither to be read nor written meanwhile.
    pub(super) fn update<U>(&self, change: impl FnOnce(&mut T) -> U) -> Option<U> {
        let lock = self.0.try_get_value()?;
        let mut value = lock.write().unwrap_or_else(PoisonError::into_inner);
        Some(change(&mut value))
    }
}
