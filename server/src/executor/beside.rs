//! The wrapper that was installed with the server.

use std::path::{Path, PathBuf};

/// Its file name, wherever it lies.
pub(super) const WRAPPER: &str = "saltpeter-wrapper";

/// The wrapper beside `server`, which is this program; `None` where that is not known. It need not be there.
pub(super) fn beside(server: Option<&Path>) -> Option<PathBuf> {
    Some(server?.parent()?.join(WRAPPER))
}
