//! `saltpeter import`.

use super::say::{complain, finish, say, say_json};
use super::{FAILED, MISUSED};
use clap::{Args, Subcommand};
use saltpeter_domain::config::MAX_FILE_BYTES;
use saltpeter_domain::crontab::{convert, report};
use saltpeter_protocol::api::{CrontabForm, ImportRequest, ImportResult};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Make jobs of a crontab
    ///
    /// The jobs go to standard output, as a file for the configuration directory. What could not be converted, and what
    /// is to be known of the rest, goes to standard error, with its line.
    #[command(after_help = "\
Example:
  crontab -l | saltpeter import crontab - --targets 'web*' --user deploy --output /etc/saltpeter/web.yaml
  -:7:1: not converted: @reboot: Saltpeter starts jobs at times, and does not notice that a machine boots; …

Exit codes: 0 every line was converted, 1 some were not, 2 the crontab cannot be read or the jobs cannot be written.")]
    Crontab(Crontab),
}

#[derive(Debug, Args)]
pub(super) struct Crontab {
    /// The crontab; '-' for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which machines the jobs are for, a glob over their names [default: this host's name]
    #[arg(long, value_name = "GLOB")]
    targets: Option<String>,
    /// Each line names a user, as in /etc/crontab and /etc/cron.d [default: found out]
    #[arg(long)]
    system: bool,
    /// Whose crontab it is: the commands run as this user
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    user: Option<String>,
    /// Write the jobs to this file, which must not be there yet
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// Print the jobs and what became of each line as JSON
    #[arg(long)]
    json: bool,
}

/// Makes jobs of a crontab.
pub(super) fn crontab(ask: &Crontab) -> ExitCode {
    let name = ask.file.display().to_string();
    match converted(ask) {
        Err(message) => {
            complain(format_args!("saltpeter import: {}", printable(&message)));
            ExitCode::from(MISUSED)
        }
        Ok(result) => {
            let said = if ask.json {
                say_json(&result)
            } else {
                let said = match ask.output {
                    None => say(&result.yaml),
                    Some(_) => Ok(()),
                };
                complain(report(&name, &result).trim_end());
                said
            };
            match said {
                Ok(()) if result.refused() > 0 => ExitCode::from(FAILED),
                said => finish(said),
            }
        }
    }
}

fn converted(ask: &Crontab) -> Result<ImportResult, String> {
    let crontab = read(&ask.file).map_err(|error| format!("{}: {error}", ask.file.display()))?;
    let request = ImportRequest {
        crontab,
        targets: ask.targets.clone().unwrap_or_else(this_host),
        form: match (ask.system, &ask.user) {
            (true, _) => CrontabForm::System,
            (false, Some(_)) => CrontabForm::User,
            (false, None) => CrontabForm::Detect,
        },
        user: ask.user.clone(),
        group: ask.output.as_deref().and_then(stem),
    };
    let mut result = convert(&request, &|_| false).map_err(|error| error.to_string())?;
    if ask.targets.is_none() && result.jobs > 0 {
        let note = format!(
            "the jobs are for this host, {:?}; --targets is for others",
            request.targets
        );
        result.notes.insert(0, note);
    }
    if let Some(output) = &ask.output {
        write_new(output, &result.yaml)
            .map_err(|error| format!("{}: {error}", output.display()))?;
    }
    Ok(result)
}

fn read(path: &Path) -> io::Result<String> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let mut bytes = Vec::new();
    input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_FILE_BYTES} bytes, and no crontab"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let newlines = before.unwrap_or_default().iter().filter(|&&b| b == b'\n');
        let line = newlines.count() + 1;
        io::Error::other(format!(
            "line {line} is not UTF-8; convert it first, such as with `iconv -f latin1`"
        ))
    })
}

/// Writes a file that was not there.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            io::Error::other("it is there already, and is not overwritten; choose another name")
        }
        _ => error,
    })?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The name of the group that the jobs in such a file are of.
fn stem(path: &Path) -> Option<String> {
    path.file_stem()?.to_str().map(str::to_owned)
}

/// A crontab does not say which machine's it is; that it is this one's is likely.
fn this_host() -> String {
    let host = rustix::system::uname();
    let name = host.nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// Without signs that a terminal would obey.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
