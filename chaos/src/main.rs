//! `saltpeter-chaos`: what `cargo xtask chaos` and `cargo xtask soak` run.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use futures::StreamExt as _;
use saltpeter_chaos::plan::Plan;
use saltpeter_chaos::{report, scenario, soak, storm};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// Real servers and wrappers under faults, and whether they kept their promises.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask chaos")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    chaos: Chaos,
}

#[derive(Debug, clap::Args)]
struct Chaos {
    /// One seed
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Seeds: from one number to another, or some
    #[arg(long, value_name = "A..B or A,B", default_value = "1..3")]
    seeds: Seeds,
    /// How long faults come
    #[arg(long, value_name = "M", conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// The same in seconds
    #[arg(long, value_name = "S", default_value_t = 20)]
    seconds: u64,
    /// Seeds that run at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    at_once: usize,
    /// Only print what would be done
    #[arg(long)]
    plan: bool,
    /// Keep the directories also when nothing is wrong
    #[arg(long)]
    keep: bool,
    /// One story in place of seeds
    #[arg(long, value_name = "NAME")]
    scenario: Option<scenario::Name>,
    /// How large the story is: jobs of kill200, cuts of cuts1000
    #[arg(long, value_name = "N", requires = "scenario")]
    size: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run 200 jobs a minute and watch memory, descriptors and the database
    Soak(soak::Options),
}

/// Seeds, in order.
#[derive(Debug, Clone)]
struct Seeds(Vec<u64>);

impl FromStr for Seeds {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || format!("{text:?} is neither like 1..20 nor like 3,4,6");
        if let Some((first, last)) = text.split_once("..") {
            let first: u64 = first.parse().with_context(wrong)?;
            return Ok(Self((first..=last.parse().with_context(wrong)?).collect()));
        }
        let seeds: Result<_, _> = text.split(',').map(str::parse).collect();
        Ok(Self(seeds.with_context(wrong)?))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let held = match cli.command {
        Some(Command::Soak(options)) => soak::run(options).await,
        None => match cli.chaos.scenario {
            Some(name) => scenario::run(name, cli.chaos.size).await,
            None => chaos(cli.chaos).await,
        },
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("saltpeter-chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no rule was broken.
async fn chaos(args: Chaos) -> Result<bool> {
    let length = Duration::from_secs(args.minutes.map_or(args.seconds, |minutes| minutes * 60));
    let seeds = args.seed.map_or(args.seeds.0, |seed| vec![seed]);
    let plans: Vec<Plan> = seeds
        .into_iter()
        .map(|seed| Plan::new(seed, length))
        .collect();
    if args.plan {
        for plan in &plans {
            print!("{plan}");
        }
        return Ok(true);
    }
    let mut outcomes = Vec::new();
    let mut failed = false;
    let mut running = futures::stream::iter(&plans)
        .map(async |plan| (plan.seed, storm::run(plan, args.keep).await))
        .buffer_unordered(args.at_once.max(1));
    while let Some((seed, result)) = running.next().await {
        match result {
            Ok(outcome) => {
                let (wrong, took) = (outcome.violations.len(), outcome.took.as_secs());
                eprintln!("seed {seed}: {wrong} violations after {took} s");
                for violation in &outcome.violations {
                    eprintln!("seed {seed}: {violation}");
                }
                outcomes.push(outcome);
            }
            Err(error) => {
                failed = true;
                eprintln!("seed {seed}: {error:#}");
            }
        }
    }
    outcomes.sort_by_key(|outcome| outcome.seed);
    print!("{}", report::table(&outcomes));
    Ok(!failed && outcomes.iter().all(|outcome| outcome.violations.is_empty()))
}
