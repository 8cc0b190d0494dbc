//! Pieces that several pages use.

pub(crate) mod attempts;
pub(crate) mod bell;
pub(crate) mod confirm;
pub(crate) mod diff;
pub(crate) mod frame;
pub(crate) mod help;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod line;
pub(crate) mod listing;
pub(crate) mod machine_head;
pub(crate) mod marks;
pub(crate) mod matrix;
pub(crate) mod output_pane;
pub(crate) mod palette;
pub(crate) mod preview;
pub(crate) mod problems;
pub(crate) mod rows;
pub(crate) mod run_view;
pub(crate) mod same;
pub(crate) mod search;
pub(crate) mod shown;
pub(crate) mod spark;
pub(crate) mod toast;
pub(crate) mod when;
pub(crate) mod window;
