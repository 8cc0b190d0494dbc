//! The demo.

use crate::Mode;
use crate::build;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::process::CommandExt as _;

/// Builds for developing, which is the fastest way to a first page, and becomes the server.
pub(crate) fn demo(ws: &Workspace) -> Result<()> {
    build::build(ws, Mode::Dev)?;
    let config = ws.root.join("examples/demo");
    ensure!(config.is_dir(), "{} is missing", config.display());
    let data = ws.target.join("demo");
    let logs = data.join("log");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;

    println!(
        "
  The demo is on  http://127.0.0.1:8888  until Ctrl-C.

  Open the job rolling_restart, press \"Run now\", and watch its machines and their output. Then start
  long_import and press \"Kill\": each machine ends with code 143.
  The jobs are in examples/demo; change a file there and the page follows within a second.
  What it keeps (runs, output, logs) is in {}; delete that to begin anew.
",
        data.display()
    );
    let error = ws
        .command(ws.server(Mode::Dev))
        .arg("--configdir")
        .arg(config)
        .arg("--logdir")
        .arg(logs)
        .arg("--data-dir")
        .arg(data)
        .args([
            "--port",
            "8888",
            "--bindaddr",
            "127.0.0.1",
            "--websocket-port",
            "8889",
        ])
        .exec();
    Err(error).context("cannot start the server")
}
