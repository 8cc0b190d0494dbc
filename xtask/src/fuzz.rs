//! The fuzzer: libFuzzer on the targets of `fuzz/`, by the stable toolchain.

use crate::process::{output, run};
use crate::setup::{self, Need};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Minutes for each target unless the caller says otherwise.
const MINUTES: u64 = 10;

/// What `cargo fuzz` gives to the compiler, without what only a nightly one takes; all of the code is safe, so that nothing
/// is lost with the sanitizers. The first two words are the workspace's own, from .cargo/config.toml.
const RUSTFLAGS: &str = "--cfg erase_components \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Bounds of one input: bytes of it, seconds (not of the processor, so that they are many), MiB in one allocation, MiB in all.
const BOUNDS: [&str; 5] = [
    "-max_len=4096",
    "-timeout=60",
    "-report_slow_units=60",
    "-malloc_limit_mb=64",
    "-rss_limit_mb=1024",
];

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    minutes: u64,
    keep: bool,
    targets: BTreeSet<String>,
}

/// Fuzzes each target that is named, or all.
pub(crate) fn fuzz(ws: &Workspace, args: &[String]) -> Result<()> {
    let wish = wish(args)?;
    let known = targets(ws)?;
    if let Some(name) = wish.targets.difference(&known).next() {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        bail!(
            "there is no target {name:?}; there are {}",
            known.join(", ")
        );
    }
    let chosen = if wish.targets.is_empty() {
        known
    } else {
        wish.targets
    };
    let bed = Bed::build(ws)?;
    let mut broken = Vec::new();
    for name in &chosen {
        println!("\n==== {name}, {} min ====", wish.minutes);
        if let Err(error) = bed.run(name, wish.minutes) {
            eprintln!("{error:#}");
            broken.push(name.as_str());
        } else if wish.keep {
            bed.keep(name)?;
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    bail!(
        "an input broke {}; it is in fuzz/crashes. Mend what it shows, and commit it: cargo nextest run -p saltpeter-fuzz replays it from now on",
        broken.join(", ")
    )
}

fn wish(args: &[String]) -> Result<Wish> {
    let mut wish = Wish {
        minutes: MINUTES,
        keep: false,
        targets: BTreeSet::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--keep" => wish.keep = true,
            "--minutes" => {
                let minutes = args.next().map(|text| text.parse());
                let Some(Ok(minutes @ 1..)) = minutes else {
                    bail!("--minutes takes a number of minutes, such as 10");
                };
                wish.minutes = minutes;
            }
            flag if flag.starts_with('-') => {
                bail!("cargo xtask fuzz takes --minutes M, --keep and names of targets, not {flag}")
            }
            name => {
                wish.targets.insert(name.to_owned());
            }
        }
    }
    Ok(wish)
}

fn targets(ws: &Workspace) -> Result<BTreeSet<String>> {
    let directory = ws.root.join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    Ok(names)
}

/// Where the fuzzer works.
struct Bed<'w> {
    ws: &'w Workspace,
    /// Its binaries.
    binaries: PathBuf,
    /// All that it found so far, which is more than what is kept.
    found: PathBuf,
}

impl<'w> Bed<'w> {
    fn build(ws: &'w Workspace) -> Result<Self> {
        setup::ensure(ws, &[Need::CppCompiler])?;
        // A target of its own, so that neither build scripts nor macros are instrumented.
        let triple = output(ws.command("rustc").args(["--print", "host-tuple"]))?;
        let target = ws.target.join("fuzz");
        let args = [
            "build",
            "--package",
            "saltpeter-fuzz",
            "--features",
            "engine",
        ];
        run(ws
            .cargo()
            .args(args)
            .args(["--bins", "--profile", "fuzz", "--target", &triple])
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", RUSTFLAGS))?;
        Ok(Self {
            ws,
            binaries: target.join(triple).join("fuzz"),
            found: target.join("found"),
        })
    }

    fn engine(&self, name: &str) -> Command {
        let mut command = self.ws.command(self.binaries.join(name));
        command.args(BOUNDS);
        command
    }

    fn run(&self, name: &str, minutes: u64) -> Result<()> {
        let found = self.found.join(name);
        let crashes = self.ws.root.join("fuzz/crashes").join(name);
        for directory in [&found, &crashes] {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let mut engine = self.engine(name);
        engine
            .arg(format!("-max_total_time={}", minutes * 60))
            .args(["-print_final_stats=1", "-reload=0"])
            .arg(format!("-artifact_prefix={}/", crashes.display()));
        let words = self.ws.root.join(format!("fuzz/dictionaries/{name}.dict"));
        if words.exists() {
            engine.arg(format!("-dict={}", words.display()));
        }
        let result = run(engine.arg(&found).arg(self.kept(name)));
        // Only there where something is in it.
        let _ = fs::remove_dir(&crashes);
        result
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.ws.root.join("fuzz/corpus").join(name)
    }

    /// Makes the corpus anew: the fewest inputs that reach all that those found and those kept reach.
    fn keep(&self, name: &str) -> Result<()> {
        let (kept, fewest) = (self.kept(name), self.found.join(format!("{name}.fewest")));
        if fewest.exists() {
            fs::remove_dir_all(&fewest)?;
        }
        fs::create_dir_all(&fewest)?;
        run(self
            .engine(name)
            .args(["-set_cover_merge=1", "-use_counters=0"])
            .args([&fewest, &kept, &self.found.join(name)]))?;
        fs::remove_dir_all(&kept)?;
        fs::create_dir_all(&kept)?;
        let mut count = 0;
        for entry in fs::read_dir(&fewest)? {
            let entry = entry?;
            fs::copy(entry.path(), kept.join(entry.file_name()))?;
            count += 1;
        }
        println!("{name}: {count} inputs are kept");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(args: &[&str]) -> Result<Wish> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        wish(&args)
    }

    #[test]
    fn minutes_targets_and_keeping_come_in_any_order() {
        let targets = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let plain = Wish {
            minutes: MINUTES,
            keep: false,
            targets: BTreeSet::new(),
        };
        assert_eq!(wished(&[]).unwrap(), plain);
        let all = wished(&["cron", "--minutes", "3", "--keep", "ansi"]).unwrap();
        let expected = Wish {
            minutes: 3,
            keep: true,
            targets: targets(&["ansi", "cron"]),
        };
        assert_eq!(all, expected);
        for bad in [
            &["--minutes"][..],
            &["--minutes", "0"],
            &["--minutes", "x"],
            &["--fast"],
        ] {
            assert!(wished(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_length_is_that_of_the_replay() {
        let library = include_str!("../../fuzz/src/lib.rs");
        assert!(library.contains("MAX_INPUT: usize = 4096;") && BOUNDS[0].ends_with("=4096"));
    }
}
