//! The deterministic twin of the chaos test: `server/tests/twin`.

use crate::process::run;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Runs all seeds, or shows what happens in one.
pub(crate) fn twin(ws: &Workspace, args: &[String]) -> Result<()> {
    let mut cargo = ws.cargo();
    cargo.args(["test", "--package", "saltpeter-server", "--test", "twin"]);
    match args {
        [] => {
            let mut building = ws.cargo();
            building.args(["test", "--package", "saltpeter-server", "--test", "twin"]);
            run(building.arg("--no-run"))?;
            let begun = Instant::now();
            run(cargo.args(["--", "seeds_", "--nocapture"]))?;
            println!("2000 seeds in {:.0} s", begun.elapsed().as_secs_f64());
            Ok(())
        }
        [flag, seed] if flag == "--seed" => {
            let seed: u64 = seed
                .parse()
                .with_context(|| format!("--seed takes a number, not {seed:?}"))?;
            cargo.env("TWIN_SEED", seed.to_string());
            run(cargo.args(["--", "one", "--exact", "--ignored", "--nocapture"]))
        }
        _ => bail!("cargo xtask twin takes --seed N or nothing, not {}", args.join(" ")),
    }
}
