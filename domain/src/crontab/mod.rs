//! From a crontab to jobs: what it means to Vixie cron, said in Saltpeter's words, or why that cannot be.

mod command;
mod field;
mod line;
mod name;
mod report;
mod yaml;

use crate::config::MAX_FILE_BYTES;
use crate::schedule::{Schedule, Zone, parse_zone};
use crate::targeting::{TargetExpr, TargetType};
use line::{Entry, Line, Trouble, When};
use name::Names;
pub use report::report;
use saltpeter_protocol::JobName;
use saltpeter_protocol::api::{
    CrontabForm, ImportLine, ImportOutcome, ImportRequest, ImportResult,
};
use std::collections::BTreeMap;

/// Why nothing at all could be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The targets are no expression.
    #[error("targets: {0}")]
    Targets(String),
    /// The user cannot be one.
    #[error("user: {0:?} cannot be the name of a user")]
    User(String),
    /// The group cannot be a file's name.
    #[error("group: {0}")]
    Group(String),
    /// The file would be longer than the server reads.
    #[error(
        "the jobs of this crontab would be longer than {MAX_FILE_BYTES} bytes; convert it in parts"
    )]
    TooLong,
}

/// Makes jobs of a crontab. The YAML loads without errors; nothing is left out without a line that says so. No job gets a
/// name that is `taken`.
pub fn convert<'r>(
    request: &'r ImportRequest,
    taken: &'r dyn Fn(&str) -> bool,
) -> Result<ImportResult, ImportError> {
    let blank = |text: &str| text.trim().is_empty();
    let has_control = |text: &str| text.chars().any(char::is_control);
    if let Err(error) = TargetExpr::parse(TargetType::Glob, &request.targets) {
        return Err(ImportError::Targets(error.message));
    }
    if has_control(&request.targets) {
        return Err(ImportError::Targets(
            "they have a control character".to_owned(),
        ));
    }
    if let Some(user) = &request.user
        && (blank(user) || has_control(user))
    {
        return Err(ImportError::User(user.clone()));
    }
    if let Some(group) = &request.group {
        // The same signs as in a job's name are safe in a file's.
        JobName::new(group.as_str()).map_err(|_| {
            let message =
                format!("{group:?} cannot be a file's name; use letters, digits, '_', '-' and '.'");
            ImportError::Group(message)
        })?;
    }
    let form = match request.form {
        CrontabForm::Detect => line::detect(&request.crontab),
        form => form,
    };
    let mut converter = Converter {
        request,
        form,
        file: String::new(),
        names: Names::new(taken),
        around: Surroundings::default(),
        lines: Vec::new(),
        jobs: 0,
    };
    converter.head();
    for (index, text) in request.crontab.lines().enumerate() {
        converter.line(u32::try_from(index + 1).unwrap_or(u32::MAX), text);
        if converter.file.len() as u64 > MAX_FILE_BYTES {
            return Err(ImportError::TooLong);
        }
    }
    Ok(converter.finish())
}

/// What the lines above say of the ones below.
#[derive(Default)]
struct Surroundings {
    env: BTreeMap<String, String>,
    timezone: Option<String>,
    /// Where it is not `/bin/sh`.
    shell: Option<String>,
    home: Option<String>,
    /// Why the lines below would fire at other times than here, where that is so.
    refused_zone: Option<String>,
}

struct Converter<'r> {
    request: &'r ImportRequest,
    form: CrontabForm,
    file: String,
    names: Names<'r>,
    around: Surroundings,
    lines: Vec<ImportLine>,
    jobs: u32,
}

/// The jobs of a line, or where and why not.
type Made = Result<(Vec<JobName>, Vec<String>), (Option<u32>, String)>;

impl Converter<'_> {
    fn head(&mut self) {
        let group = self.request.group.as_deref().unwrap_or("crontab");
        yaml::comment(
            &mut self.file,
            &format!(
                "# Made from a crontab. Save it as {group}.yaml in the configuration directory; {group} is then the jobs' group."
            ),
        );
        yaml::blank(&mut self.file);
    }

    fn line(&mut self, number: u32, text: &str) {
        let read = line::read(text, self.form);
        let made = match read {
            Ok(Line::Blank) => return yaml::blank(&mut self.file),
            Ok(Line::Comment(comment)) => return yaml::comment(&mut self.file, comment),
            Ok(Line::Variable { name, value }) => self.variable(name, value),
            Ok(Line::Entry(entry)) => self.entry(&entry),
            Err(Trouble { column, message }) => Err((Some(column), message)),
        };
        let text = text.trim().to_owned();
        self.lines.push(match made {
            Ok((jobs, remarks)) => ImportLine {
                line: number,
                column: None,
                text,
                outcome: if remarks.is_empty() {
                    ImportOutcome::Converted
                } else {
                    ImportOutcome::Remarked
                },
                jobs,
                remarks,
            },
            Err((column, why)) => {
                yaml::comment(&mut self.file, &format!("# Not converted: {text}"));
                ImportLine {
                    line: number,
                    column,
                    text,
                    outcome: ImportOutcome::Refused,
                    jobs: Vec::new(),
                    remarks: vec![why],
                }
            }
        });
    }

    fn variable(&mut self, name: &str, value: &str) -> Made {
        let around = &mut self.around;
        if value.contains('\0') {
            return Err((None, format!("{name}: the value has a NUL character in it")));
        }
        let mut remarks = Vec::new();
        match name {
            "MAILTO" | "MAILFROM" | "CONTENT_TYPE" | "CONTENT_TRANSFER_ENCODING" => {
                let none = name == "MAILTO" && value.is_empty();
                let why = if none {
                    "nothing is mailed, here as there; the output of each run is kept"
                } else {
                    "nothing is mailed; Saltpeter keeps the output of each run, and the dashboard shows what failed"
                };
                return Ok((Vec::new(), vec![format!("{name}: {why}")]));
            }
            "RANDOM_DELAY" => {
                return Err((None, "RANDOM_DELAY: Saltpeter starts jobs at their time; choose times that lie apart".to_owned()));
            }
            "LOGNAME" | "USER" => {
                return Err((
                    None,
                    format!("{name}: cron does not let it be changed; say `user` in a job"),
                ));
            }
            "CRON_TZ" => match parse_zone(value) {
                Ok(_) => {
                    around.timezone = Some(value.to_owned());
                    around.refused_zone = None;
                    return Ok((Vec::new(), Vec::new()));
                }
                Err(why) => {
                    let why = format!("CRON_TZ: {why}");
                    around.refused_zone = Some(why.clone());
                    return Err((None, why));
                }
            },
            "SHELL" => {
                let is_sh = matches!(value, "/bin/sh" | "/usr/bin/sh" | "sh" | "");
                around.shell = (!is_sh).then(|| value.to_owned());
                if !is_sh {
                    remarks.push(format!("SHELL: each command below is handed to {value} by /bin/sh, which runs it in Saltpeter"));
                }
            }
            "HOME" => {
                around.home = (!value.trim().is_empty()).then(|| value.to_owned());
                remarks.push("HOME: also `cwd`, for cron starts commands there".to_owned());
            }
            "TZ" => {
                remarks.push("TZ: for the command; some crons also read the times in it (Saltpeter: `timezone`)".to_owned());
            }
            _ => {}
        }
        if name != "HOME" && value.contains('$') {
            remarks.push(format!("{name}: '$' is not expanded, as in cron"));
        }
        around.env.insert(name.to_owned(), value.to_owned());
        Ok((Vec::new(), remarks))
    }

    fn entry(&mut self, entry: &Entry) -> Made {
        if let Some(why) = &self.around.refused_zone {
            return Err((None, format!("its zone is not known ({why})")));
        }
        let mut remarks = Vec::new();
        let split = command::split(entry.command);
        if split.text.trim().is_empty() {
            return Err((None, "there is no command before the '%'".to_owned()));
        }
        if entry.command.contains('%') {
            remarks.push(match &split.input {
                Some(_) => {
                    "'%': what follows it is the command's standard input, now a here-document"
                        .to_owned()
                }
                None => {
                    "'%' has no special meaning in Saltpeter; the command is as cron would run it"
                        .to_owned()
                }
            });
        }
        if entry.is_unlogged {
            remarks.push(
                "the '-' before it kept it out of the system's log; that is left out".to_owned(),
            );
        }
        remarks.extend(command::redirection(&split.text).map(ToOwned::to_owned));
        let script = command::script(&split, self.around.shell.as_deref());
        let schedules = schedules(&entry.when);
        match schedules.as_slice() {
            [] => return Err((None, "it never fires: there is no such day".to_owned())),
            [_] => {}
            _ => remarks.push(
                "cron starts it when the day of the month OR the day of the week matches, Saltpeter when both do: \
                 hence two jobs, the second for the days that the first leaves out, so that no day has two runs"
                    .to_owned(),
            ),
        }
        let mut names = Vec::new();
        for (schedule, ending) in &schedules {
            let (name, refused) = self.names.take(&split.text, ending);
            remarks.extend(
                refused.map(|name| format!("there is a job {name:?} already, hence another name")),
            );
            let Some(name) = name else {
                return Err((None, "no name for it could be made".to_owned()));
            };
            yaml::job(
                &mut self.file,
                &yaml::Draft {
                    name: &name,
                    schedule,
                    timezone: self.around.timezone.as_deref(),
                    command: &script,
                    targets: &self.request.targets,
                    user: entry.user.or(self.request.user.as_deref()),
                    cwd: self.around.home.as_deref(),
                    env: &self.around.env,
                },
            );
            self.jobs += 1;
            names.push(name);
        }
        Ok((names, remarks))
    }

    fn finish(self) -> ImportResult {
        let mut notes = Vec::new();
        let detected = self.request.form == CrontabForm::Detect;
        notes.extend(match (self.form, detected, &self.request.user) {
            (CrontabForm::System, true, _) => {
                Some("read as a system crontab: a user stands before each command")
            }
            (CrontabForm::User, _, None) => Some(
                "a user's crontab does not say whose it is: without `user`, the commands run as the user that the wrapper runs as, which is often root",
            ),
            _ => None,
        }.map(ToOwned::to_owned));
        if self.jobs > 0 {
            notes.push("cron lets a command run for ever, hence `timeout: 0`; a limit is better where you know one".to_owned());
            notes.push("a job that is due while its last run still goes is skipped, where cron starts a second one; `overlap: allow` does too".to_owned());
            if self.around.timezone.is_none() {
                notes.push("times are read in the server's zone, not in each machine's, unless `timezone` says otherwise".to_owned());
            }
        }
        ImportResult {
            yaml: self.file,
            jobs: self.jobs,
            form: self.form,
            lines: self.lines,
            notes,
        }
    }
}

/// The schedules that together fire when a line does, each time once, with what tells their jobs apart.
fn schedules(when: &When) -> Vec<(String, &'static str)> {
    let [min, hour, dom, mon, dow] = match when {
        When::Alias(alias) => return vec![((*alias).to_owned(), "")],
        When::Fields(fields) => fields,
    };
    let mut schedules = Vec::new();
    if field::either_day_is_enough(dom, dow) {
        schedules.push((format!("{min} {hour} {dom} {mon} *"), "_dom"));
        if let Some(others) = field::other_days(dom) {
            schedules.push((format!("{min} {hour} {others} {mon} {dow}"), "_dow"));
        }
    } else {
        schedules.push((format!("{min} {hour} {dom} {mon} {dow}"), ""));
    }
    schedules.retain(|(text, _)| {
        Schedule::parse(text, Zone::Default).is_ok_and(|schedule| schedule.ever_fires())
    });
    if let [(_, ending)] = schedules.as_mut_slice() {
        *ending = "";
    }
    schedules
}
