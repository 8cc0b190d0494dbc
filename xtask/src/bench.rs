//! The benchmarks.

use crate::Mode;
use crate::build;
use crate::process::run;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use anyhow::Result;

/// Runs the benchmarks named, or says which there are.
pub(crate) fn bench(ws: &Workspace, names: &[String]) -> Result<()> {
    if names.iter().any(|name| name == "ui" || name == "all") {
        setup::ensure(ws, &[Need::NodeModules, Need::Chromium])?;
        build::build(ws, Mode::Release)?;
    }
    run(ws
        .cargo()
        .args(["run", "--release", "--package", "saltpeter-bench", "--"])
        .args(names))
}
