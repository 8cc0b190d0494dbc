//! Every check and test, one summary.

mod native;

use crate::Mode;
use crate::chaos;
use crate::counts::{self, Counts};
use crate::deny;
use crate::process::run;
use crate::sbom;
use crate::setup::{self, Need, WASM};
use crate::site;
use crate::wasm_toolchain;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::fs;
use std::panic::resume_unwind;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

/// A step: its name, what must be installed for it, and what it does.
struct Step {
    name: &'static str,
    needs: &'static [Need],
    /// Whether it runs at the same time as the one after it: both wait more than they compute.
    beside: bool,
    run: fn(&Workspace) -> Result<Counts>,
}

/// In the order of running: what fails fast comes first, and the binaries before those that use them.
const STEPS: [Step; 12] = [
    Step {
        name: "fmt",
        needs: &[],
        beside: false,
        run: fmt,
    },
    Step {
        name: "clippy",
        needs: &[],
        beside: false,
        run: clippy,
    },
    Step {
        name: "clippy-wasm",
        needs: &[Need::WasmTarget],
        beside: false,
        run: clippy_wasm,
    },
    Step {
        name: "docs",
        needs: &[],
        beside: false,
        run: docs,
    },
    Step {
        name: "deny",
        needs: &[Need::CargoDeny],
        beside: false,
        run: deny::test,
    },
    Step {
        name: "sbom",
        needs: &[Need::NodeModules],
        beside: false,
        run: sbom::test,
    },
    Step {
        name: "build",
        needs: &[Need::WasmTarget],
        beside: false,
        run: build,
    },
    Step {
        name: "unit",
        needs: &[],
        beside: false,
        run: native::unit,
    },
    Step {
        name: "chaos",
        needs: &[],
        beside: true,
        run: chaos::test,
    },
    Step {
        name: "salt",
        needs: &[Need::Salt],
        beside: false,
        run: native::on_salt,
    },
    Step {
        name: "types",
        needs: &[Need::NodeModules],
        beside: false,
        run: types,
    },
    Step {
        name: "e2e",
        needs: &[Need::NodeModules, Need::Chromium],
        beside: false,
        run: e2e,
    },
];

/// What came of a step.
struct Outcome {
    name: &'static str,
    took: Duration,
    counts: Counts,
    problem: Option<String>,
}

/// Runs all steps, or those named, each in spite of the failure of another, and sums up.
pub(crate) fn test(ws: &Workspace, names: &[String]) -> Result<ExitCode> {
    if let Some(name) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "there is no step {name:?}; the steps are {}",
            known.join(", ")
        );
    }
    let chosen = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    let begun = Instant::now();
    let mut outcomes = Vec::new();
    let mut steps = STEPS.iter().filter(chosen);
    while let Some(step) = steps.next() {
        let next = if step.beside { steps.next() } else { None };
        let Some(next) = next else {
            outcomes.push(take(ws, step));
            continue;
        };
        thread::scope(|scope| {
            let beside = scope.spawn(|| take(ws, step));
            let after = take(ws, next);
            outcomes.push(beside.join().unwrap_or_else(|panic| resume_unwind(panic)));
            outcomes.push(after);
        });
    }
    Ok(sum_up(&outcomes, begun.elapsed()))
}

fn take(ws: &Workspace, step: &Step) -> Outcome {
    eprintln!("\n==== {} ====", step.name);
    let begun = Instant::now();
    let result = setup::ensure(ws, step.needs).and_then(|()| (step.run)(ws));
    let (counts, problem) = match result {
        Ok(counts) if counts.failed > 0 => (counts, Some(format!("{} failed", counts.failed))),
        Ok(counts) => (counts, None),
        Err(error) => {
            eprintln!("xtask: {}: {error:#}", step.name);
            (
                Counts {
                    passed: 0,
                    failed: 1,
                },
                Some(format!("{error:#}")),
            )
        }
    };
    Outcome {
        name: step.name,
        took: begun.elapsed(),
        counts,
        problem,
    }
}

/// `took` is the time of all, less than the sum where steps ran side by side.
fn sum_up(outcomes: &[Outcome], took: Duration) -> ExitCode {
    let mut sum = Counts::default();
    println!(
        "\n{:<12} {:>8} {:>8} {:>9}",
        "step", "passed", "failed", "time"
    );
    for Outcome {
        name,
        took,
        counts,
        problem,
    } in outcomes
    {
        sum += *counts;
        let problem = problem.as_deref().unwrap_or_default();
        println!(
            "{name:<12} {:>8} {:>8} {:>7.1} s  {problem}",
            counts.passed,
            counts.failed,
            took.as_secs_f64()
        );
    }
    println!(
        "{:<12} {:>8} {:>8} {:>7.1} s\n",
        "all",
        sum.passed,
        sum.failed,
        took.as_secs_f64()
    );
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs a check that either passes or fails as a whole.
fn check(command: &mut Command) -> Result<Counts> {
    run(command)?;
    Ok(Counts {
        passed: 1,
        failed: 0,
    })
}

fn fmt(ws: &Workspace) -> Result<Counts> {
    check(ws.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(ws: &Workspace) -> Result<Counts> {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    check(ws.cargo().args(args))
}

/// The same code again, as the browser gets it.
fn clippy_wasm(ws: &Workspace) -> Result<Counts> {
    if wasm_toolchain::is_here() {
        eprintln!(
            "There is no clippy for the WASM toolchain here; `build` compiles the same code."
        );
        return Ok(Counts {
            passed: 1,
            failed: 0,
        });
    }
    check(
        ws.cargo()
            .args([
                "clippy",
                "--package",
                "frontend",
                "--package",
                "saltpeter-app",
            ])
            .args(["--features", "saltpeter-app/hydrate", "--target", WASM])
            .args(["--", "--deny", "warnings"]),
    )
}

fn docs(ws: &Workspace) -> Result<Counts> {
    let args = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ];
    check(ws.cargo().args(args).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// The site, as it is while developing and as it is released, and the binaries and the native tests. Those are one build, so that
/// the dependencies have one
/// set of features and are compiled once.
fn build(ws: &Workspace) -> Result<Counts> {
    site::site(ws, Mode::Dev)?;
    // Compiled and cut in another way, and held to what it may weigh; one browser test runs it.
    site::site(ws, Mode::Release)?;
    site::check_budget(ws)?;
    check(
        ws.cargo()
            .args(["build", "--workspace", "--bins", "--tests"]),
    )
}

/// The browser tests' TypeScript, which Playwright runs without checking its types.
fn types(ws: &Workspace) -> Result<Counts> {
    check(
        ws.command("npm")
            .args(["run", "--silent", "types"])
            .current_dir(ws.end2end()),
    )
}

/// The browser tests, on the binaries of [`build`].
fn e2e(ws: &Workspace) -> Result<Counts> {
    for binary in [ws.server(Mode::Dev), ws.wrapper(Mode::Dev)] {
        if !binary.exists() {
            bail!("{} is missing; run cargo xtask build", binary.display());
        }
    }
    let report = ws.target.join("end2end.json");
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
    }
    let result = run(ws
        .command("npm")
        .args(["run", "--silent", "test", "--", "--reporter=list,json"])
        .current_dir(ws.end2end())
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report)
        .env("SALTPETER_BIN", ws.server(Mode::Dev))
        .env("SALTPETER_WRAPPER", ws.wrapper(Mode::Dev))
        .env("SALTPETER_RELEASE_SITE", ws.site(Mode::Release)));
    let Ok(text) = fs::read_to_string(&report) else {
        result?;
        bail!("Playwright left no report in {}", report.display());
    };
    agree(counts::of_playwright(&text)?, result)
}

/// The counts, unless the runner failed for a reason that no test shows, or ran none.
fn agree(counts: Counts, result: Result<()>) -> Result<Counts> {
    if counts.failed > 0 {
        return Ok(counts);
    }
    result?;
    if counts.passed == 0 {
        bail!("no test ran");
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_fails_without_a_failed_test_is_a_failure() {
        let some = Counts {
            passed: 3,
            failed: 0,
        };
        assert_eq!(agree(some, Ok(())).unwrap(), some);
        assert!(agree(some, Err(anyhow::anyhow!("crashed"))).is_err());
        assert!(agree(Counts::default(), Ok(())).is_err());
        let failed = Counts {
            passed: 3,
            failed: 1,
        };
        assert_eq!(
            agree(failed, Err(anyhow::anyhow!("exit 100"))).unwrap(),
            failed
        );
    }
}
