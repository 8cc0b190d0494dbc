//! The demo.

use crate::Mode;
use crate::build;
use crate::salt;
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use saltpeter_salt_lab::Lab;
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// Builds for developing, which is the fastest way to a first page, and becomes the server.
pub(crate) fn demo(ws: &Workspace) -> Result<()> {
    build::build(ws, Mode::Dev)?;
    let config = ws.root.join("examples/demo");
    ensure!(config.is_dir(), "{} is missing", config.display());
    let data = ws.target.join("demo");

    println!(
        "
  The demo is on  http://127.0.0.1:8888  until Ctrl-C. Nobody needs to log in to it (--insecure-no-auth),
  and it listens on this host alone.

  Open the job rolling_restart, press \"Run now\", and watch its machines and their output. Then start
  long_import and press \"Kill\": each machine ends with code 143.
  The jobs are in examples/demo; change a file there and the page follows within a second.
  What it keeps (runs, output, logs) is in {}; delete that to begin anew.
",
        data.display()
    );
    serve(ws, &config, &data)
}

/// The same on a real Salt, with the jobs of examples/salt-demo.
pub(crate) fn on_salt(ws: &Workspace) -> Result<()> {
    setup::ensure(ws, &[Need::Salt])?;
    build::build(ws, Mode::Dev)?;
    salt::up(ws)?;
    let lab = Lab::read(&salt::place(ws))?;
    let data = ws.target.join("salt/demo");
    let config = data.join("config");
    fs::create_dir_all(&config).with_context(|| format!("cannot make {}", config.display()))?;
    let examples = ws.root.join("examples/salt-demo");
    for entry in
        fs::read_dir(&examples).with_context(|| format!("cannot read {}", examples.display()))?
    {
        let entry = entry?;
        fs::copy(entry.path(), config.join(entry.file_name()))?;
    }
    fs::write(config.join("zz-lab.yaml"), settings(&lab, &data))
        .with_context(|| format!("cannot write to {}", config.display()))?;

    println!(
        "
  The demo on Salt is on  http://127.0.0.1:8888  until Ctrl-C. Its minions are {}.
  Nobody needs to log in to it (--insecure-no-auth), and it listens on this host alone.

  Run a job, watch its machines. Take one away while it runs:  cargo xtask salt stop web2
  and bring it back:  cargo xtask salt start web2.  The same goes for master and api.
  The jobs are copies in {}; change a file there and the page follows within a second.
  Salt goes on after Ctrl-C; cargo xtask salt down ends it.
",
        lab.minions.join(", "),
        config.display()
    );
    serve(ws, &config, &data)
}

/// The settings that are known only when the lab is up.
fn settings(lab: &Lab, demo: &Path) -> String {
    // A JSON string is a YAML string with nothing left to quote.
    let quoted = |path: &Path| Value::from(path.display().to_string());
    format!(
        "# Written by `cargo xtask demo --salt`, each time anew.\n\
         saltpeter_config:\n  executor: salt-api\n  salt_api_url: {}\n  salt_api_user: {}\n  salt_api_eauth: {}\n  \
         salt_api_password_file: {}\n  salt_file_root: {}\n  default_saltpeter_server_host: 127.0.0.1\n  \
         # The first run brings the wrapper there.\n  default_wrapper_path: {}\n  default_wrapper_logdir: {}\n",
        lab.api_url,
        lab.api_user,
        lab.api_eauth,
        quoted(&lab.api_password_file),
        quoted(&lab.file_root),
        quoted(&demo.join("machines/saltpeter-wrapper")),
        quoted(&demo.join("wrapper-logs")),
    )
}

/// Becomes the server.
fn serve(ws: &Workspace, config: &Path, data: &Path) -> Result<()> {
    let logs = data.join("log");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
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
            // On loopback, and to be looked at: nobody logs in.
            "--insecure-no-auth",
        ])
        .exec();
    Err(error).context("cannot start the server")
}
