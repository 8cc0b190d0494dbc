//! The command line.

mod commands;
mod import;
mod people;
mod remote;
mod say;
mod targets;

use crate::boot::{self, Options};
use crate::clock::{Clock, SystemClock};
use crate::people::Auth;
use crate::serve::raise_open_files;
use crate::settings::Flags;
use crate::store::faults::Faults;
use crate::ws::live::Patience;
use crate::{VERSION, faults, first_process, telemetry};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use say::{complain, finish, say};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit code of a command that found something wrong with what it was asked about, and of a server
/// that could not start or came down by itself.
const FAILED: u8 = 1;
/// Exit code of a command that was not understood.
const MISUSED: u8 = 2;

/// Where the job files are when nothing says so.
const CONFIG_DIR: &str = "/etc/saltpeter";

const EXAMPLES: &str = "\
Examples:
  saltpeter                                   serve, with the jobs in /etc/saltpeter
  saltpeter -c ./jobs --data-dir ./data       serve from directories of one's own
  saltpeter check ./jobs                      say what is wrong with the jobs in ./jobs
  saltpeter next '0 */5 * * * *' --count 3    when would that fire?
  saltpeter import crontab /etc/crontab       make jobs of a crontab
  saltpeter user add ana --role admin         let somebody in
  saltpeter token add deploy --role operator  let a program in
  saltpeter run backup_db --token-file ~/.sp  run a job on the server, from wherever

Exit codes: 0 all is well, 1 something was found wrong or failed, 2 the command line is wrong.";

/// Distributed cron with a live dashboard. Without a command: serve.
#[derive(Debug, Parser)]
#[command(name = "saltpeter", version = VERSION, disable_version_flag = true, after_help = EXAMPLES)]
struct Cli {
    /// Print the version
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(flatten)]
    serve: Serve,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Directory of the job files [default: /etc/saltpeter]
    #[arg(short = 'c', long = "configdir", value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// Directory of the per-job log files
    #[arg(short = 'l', long, value_name = "DIR")]
    logdir: Option<PathBuf>,
    /// Directory of the database and the output [default: /var/lib/saltpeter for root, else ~/.local/share/saltpeter]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serve the dashboard and the API, whatever the files say
    #[arg(short = 'a', long)]
    api: bool,
    /// Port of the dashboard and the API
    #[arg(short = 'p', long, value_name = "PORT")]
    port: Option<u16>,
    /// Address that the dashboard and the API listen on
    #[arg(short = 'b', long, value_name = "ADDRESS", value_parser = address)]
    bindaddr: Option<IpAddr>,
    /// Port that wrappers connect to
    #[arg(short = 'w', long, value_name = "PORT")]
    websocket_port: Option<u16>,
    /// Address that the wrappers' port listens on
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    websocket_host: Option<IpAddr>,
    /// Let everybody who reaches the dashboard and the API do everything, without a login
    #[arg(long)]
    insecure_no_auth: bool,
    /// Address of an Elasticsearch server
    #[arg(short = 'e', long, value_name = "URL")]
    elasticsearch: Option<String>,
    #[arg(
        short = 'o',
        long,
        value_name = "URL",
        help = "Address of an OpenSearch server"
    )]
    opensearch: Option<String>,
    /// Prefix of the indices there
    #[arg(short = 'i', long, value_name = "NAME")]
    index: Option<String>,
    /// Faults to be had, for the proofs in `chaos/`
    #[arg(long, value_name = "FILE", hide = true)]
    faults: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is wrong with the job files
    #[command(after_help = "\
Example:
  saltpeter check ./jobs
  db.yaml:12:9: error: hour: 24 is out of range 0–23

  saltpeter check --targets ./jobs
  backup: 02:00 daily = 0 2 * * * in Europe/Berlin
    2025-11-10T02:00:00+01:00
    …
    2 of 3 machines match
    + db1
    + db2
    - web1: not matched: its name does not match db*

Exit codes: 0 no error (there may be warnings), 1 errors were found, or the machines could not be asked for,
2 the directory cannot be read.")]
    Check {
        /// Directory of the job files [default: that of --configdir]
        #[arg(value_name = "CONFIGDIR")]
        dir: Option<PathBuf>,
        /// Directory of the job files, named as for the server [default: /etc/saltpeter]
        #[arg(short = 'c', long = "configdir", value_name = "DIR")]
        config_dir: Option<PathBuf>,
        /// Say too what the earlier implementation did otherwise with these files
        #[arg(long)]
        migrating: bool,
        /// Print each job's next 20 times, and the machines with the reason for each that is left out
        #[arg(long)]
        targets: bool,
        /// With --targets: only times after this one, RFC 3339 [default: now]
        #[arg(long, value_name = "TIME", requires = "targets")]
        after: Option<String>,
        /// Print the problems as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make jobs of what other schedulers have
    #[command(
        subcommand,
        after_help = "Example:\n  crontab -l | saltpeter import crontab - --targets 'web*' --user deploy"
    )]
    Import(import::ImportCommand),
    /// Say who may log in
    #[command(after_help = "Example:\n  saltpeter user add ana --role admin")]
    User(people::OfServer<people::UserCommand>),
    /// Say which programs may ask the API
    #[command(after_help = "Example:\n  saltpeter token add deploy --role operator --group web")]
    Token(people::OfServer<people::TokenCommand>),
    #[command(flatten)]
    Remote(remote::RemoteCommand),
    /// Say when a schedule fires
    #[command(after_help = "\
Example:
  saltpeter next '0 30 2 * * mon *' --count 2 --timezone Europe/Berlin
  2025-11-10T02:30:00+01:00
  2025-11-17T02:30:00+01:00

Exit codes: 0 done, 2 the expression, the time or the zone is not understood.")]
    Next {
        /// 'SEC MIN HOUR DOM MON DOW YEAR', or the forms of 5 and 6 fields, or an alias such as @daily
        expression: String,
        /// Only times after this one, RFC 3339 [default: now]
        #[arg(long, value_name = "TIME")]
        after: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        count: u16,
        /// IANA name of the zone in which the expression is read [default: this host's]
        #[arg(long, value_name = "ZONE")]
        timezone: Option<String>,
        /// Print the times as JSON
        #[arg(long)]
        json: bool,
    },
}

impl From<Serve> for Options {
    fn from(serve: Serve) -> Self {
        Self {
            config_dir: serve.config_dir.unwrap_or_else(|| CONFIG_DIR.into()),
            flags: Flags {
                logdir: serve.logdir,
                data_dir: serve.data_dir,
                api: serve.api,
                api_port: serve.port,
                api_addr: serve.bindaddr,
                machines_port: serve.websocket_port,
                machines_addr: serve.websocket_host,
                elasticsearch: serve.elasticsearch,
                opensearch: serve.opensearch,
                index: serve.index,
            },
            auth: if serve.insecure_no_auth {
                Auth::InsecureNone
            } else {
                Auth::Required
            },
            faults: Faults::default(),
            open_files: None,
            patience: Patience::default(),
        }
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let serve_with = cli.serve;
    match cli.command {
        None => {
            let faults = serve_with.faults.clone();
            serve(serve_with.into(), faults.as_deref())
        }
        Some(Command::Import(import::ImportCommand::Crontab(ask))) => import::crontab(&ask),
        Some(Command::User(of)) => people::user(&of.place.or(serve_with), of.command),
        Some(Command::Token(of)) => people::token(&of.place.or(serve_with), of.command),
        Some(Command::Remote(command)) => remote::ask(command),
        Some(Command::Check {
            dir,
            config_dir,
            migrating,
            targets,
            after,
            json,
        }) => {
            let named = config_dir.or(serve_with.config_dir);
            if dir.is_some() && named.is_some() {
                complain(
                    "saltpeter check: the directory is named twice, as CONFIGDIR and with --configdir; name it once",
                );
                return ExitCode::from(MISUSED);
            }
            commands::check(&commands::Check {
                dir: dir.or(named).unwrap_or_else(|| CONFIG_DIR.into()),
                migrating,
                targets,
                after,
                json,
            })
        }
        Some(Command::Next {
            expression,
            after,
            count,
            timezone,
            json,
        }) => commands::next(&commands::Next {
            expression,
            after,
            count: usize::from(count),
            timezone,
            json,
        }),
    }
}

impl Cli {
    /// What the arguments say, or what is wrong with them.
    fn read<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        if let Some(message) = stray_flag(&command, &matches) {
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        Self::from_arg_matches_mut(&mut matches)
    }
}

/// What is to be said of a flag before a command that has no use for it. The flags of the server may stand there, since
/// `--configdir` and `--data-dir` are of use to some commands.
fn stray_flag(command: &clap::Command, matches: &ArgMatches) -> Option<String> {
    let name = matches.subcommand_name()?;
    let asked = command.find_subcommand(name)?;
    let is_stray = |flag: &&clap::Arg| {
        let id = flag.get_id();
        matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
            && !asked.get_arguments().any(|known| known.get_id() == id)
    };
    let flag = command.get_arguments().find(is_stray)?;
    let flag = flag.get_long().unwrap_or_default();
    Some(format!(
        "`saltpeter {name}` has no use for --{flag}; `saltpeter {name} --help` lists what it takes"
    ))
}

/// An address to listen on.
fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        "an IP address of this host is wanted, such as 127.0.0.1, or 0.0.0.0 for all of them"
            .to_owned()
    })
}

fn serve(mut options: Options, faults: Option<&Path>) -> ExitCode {
    if first_process::is_first() {
        match first_process::stand_in() {
            Ok(code) => return code,
            // Jobs are more urgent than the table of processes.
            Err(error) => complain(format_args!(
                "saltpeter: nobody collects the processes that end in this container: {error:#}"
            )),
        }
    }
    telemetry::init();
    options.open_files = raise_open_files();
    let clock: Arc<dyn Clock> = match faults.map(faults::watch) {
        None => Arc::new(SystemClock),
        Some(Ok(wrong)) => {
            options.faults = wrong.disk;
            Arc::new(wrong.clock)
        }
        Some(Err(error)) => {
            return finish(Err(error));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return finish(Err(
                anyhow::Error::new(error).context("cannot start its threads")
            ));
        }
    };
    let outcome = runtime.block_on(async {
        let running = boot::boot(options, clock).await?;
        running.lifecycle().watch_signals()?;
        if let Some(link) = running.first_link() {
            // For whoever sits there. Should it be kept somewhere, it is good once and not for long.
            // Where it cannot be shown, `saltpeter user add` is left.
            if let Err(error) = say(format!("\n{}\n\n", boot::about_first_link(link))) {
                tracing::warn!("the first link is not shown: {error:#}");
            }
        }
        running.wait().await
    });
    runtime.shutdown_background();
    finish(outcome)
}

#[cfg(test)]
mod tests;
