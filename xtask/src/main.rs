//! Every task of the README, as `cargo xtask TASK`. `cargo xtask help` lists them.

mod advisories;
mod bench;
mod build;
mod chaos;
mod counts;
mod demo;
mod deny;
mod fuzz;
mod lock;
mod process;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod review;
mod salt;
mod sbom;
mod setup;
mod site;
mod test;
mod twin;
mod wasm_toolchain;
mod workspace;

use anyhow::{Result, bail};
use std::process::ExitCode;
use workspace::Workspace;

/// How something is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Compiled fast, for developing, the demo and the tests.
    Dev,
    /// For users.
    Release,
}

const HELP: &str = "\
Usage: cargo xtask TASK

  demo [--salt]      set up what is missing, build, and serve examples/demo on http://127.0.0.1:8888,
                     or examples/salt-demo on a real Salt
  test [STEP…]       set up what is missing and run every check and test, or only the steps named
  build [--release]  the server and the wrapper, in target/debug or target/release
  site [--release]   the browser's part alone: WASM, JS, CSS and public/, in target/site or target/site-release
  bench [NAME…]      the benchmarks, built for release
  chaos [--help]     a real server and real wrappers under faults: --seed N --seconds S, --scenario kill200
  soak [--minutes M] 200 runs a minute for a long time: memory, descriptors, database
  twin [--seed N]    the simulations of the whole, 2,000 of them, or what happens in one
  fuzz [TARGET…]     what untrusted input meets, by a fuzzer: [--minutes M] each, 10 unless said; --keep what it found
  sbom               what is in the things that are shipped (CycloneDX), in dist
  salt WHAT          a real Salt on this machine: up, down, status, stop NAME, start NAME
  fmt                format the Rust code
  setup              set up what any task needs (each task does this for itself)
  help               this list

The steps of test: fmt, clippy, clippy-wasm, docs, deny, sbom, build, unit, chaos, salt, types, e2e.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let (task, rest) = args
        .split_first()
        .map_or(("help", args), |(t, r)| (t.as_str(), r));
    let ws = Workspace::find()?;
    match task {
        "demo" => match rest {
            [] => demo::demo(&ws)?,
            [flag] if flag == "--salt" => demo::on_salt(&ws)?,
            _ => bail!(
                "cargo xtask demo takes --salt or nothing, not {}",
                rest.join(" ")
            ),
        },
        "chaos" => chaos::chaos(&ws, rest)?,
        "soak" => chaos::soak(&ws, rest)?,
        "salt" => salt::salt(&ws, rest)?,
        "test" => return test::test(&ws, rest),
        "build" => build::build(&ws, mode(task, rest)?)?,
        "site" => {
            let mode = mode(task, rest)?;
            setup::ensure(&ws, &[setup::Need::WasmTarget])?;
            site::site(&ws, mode)?;
            if mode == Mode::Release {
                site::check_budget(&ws)?;
            }
        }
        "bench" => bench::bench(&ws, rest)?,
        "twin" => twin::twin(&ws, rest)?,
        "fuzz" => fuzz::fuzz(&ws, rest)?,
        "sbom" => {
            no_arguments(task, rest)?;
            sbom::sbom(&ws)?;
        }
        "fmt" => {
            no_arguments(task, rest)?;
            process::run(ws.cargo().args(["fmt", "--all"]))?;
        }
        "setup" => {
            no_arguments(task, rest)?;
            setup::ensure(&ws, &setup::Need::ALL)?;
            println!("All that the tasks need is here.");
        }
        "help" | "--help" | "-h" => println!("{HELP}"),
        other => bail!("there is no task {other:?}\n\n{HELP}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn mode(task: &str, args: &[String]) -> Result<Mode> {
    match args {
        [] => Ok(Mode::Dev),
        [flag] if flag == "--release" => Ok(Mode::Release),
        _ => bail!(
            "cargo xtask {task} takes --release or nothing, not {}",
            args.join(" ")
        ),
    }
}

fn no_arguments(task: &str, args: &[String]) -> Result<()> {
    if args.is_empty() {
        return Ok(());
    }
    bail!(
        "cargo xtask {task} takes no arguments, not {}",
        args.join(" ")
    )
}
