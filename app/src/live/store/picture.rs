//! What is kept between the pictures that are drawn, so that few look again when a job has changed.

use super::super::jobs::Changed;
use leptos::prelude::ArcRwSignal;
use saltpeter_protocol::api::JobRow;
use saltpeter_protocol::{JobName, UnixMillis};
use std::sync::Arc;

/// A picture that was drawn of the jobs, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture(pub(super) u32);

impl Picture {
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// How many signals the jobs share: many times as many as jobs that change within a frame.
pub(super) const BUCKETS: usize = 256;

/// Which of them is a job's.
pub(super) fn bucket(name: &JobName) -> usize {
    let hash = name.as_str().bytes().fold(0_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    hash % BUCKETS
}

/// What is kept from one picture to the next.
pub(super) struct Kept {
    /// Jobs that have come before the snapshot that they belong to.
    pub(super) coming: Vec<JobRow>,
    /// What has changed of the jobs with the last picture.
    pub(super) changed: Changed,
    /// Each job has one of these, by its name, so that few look again when one has changed.
    pub(super) names: Arc<[ArcRwSignal<u32>]>,
    /// When the runs were looked at last.
    pub(super) runs_at: UnixMillis,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            coming: Vec::new(),
            changed: Changed::All,
            names: (0..BUCKETS).map(|_| ArcRwSignal::new(0)).collect(),
            runs_at: UnixMillis(0),
        }
    }
}
