//! The benchmarks.

use crate::process::run;
use crate::workspace::Workspace;
use anyhow::Result;

/// Runs the benchmarks named, or says which there are.
pub(crate) fn bench(ws: &Workspace, names: &[String]) -> Result<()> {
    run(ws
        .cargo()
        .args(["run", "--release", "--package", "saltpeter-bench", "--"])
        .args(names))
}
