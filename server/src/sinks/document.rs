//! What is sent: its fields, which people's searches and dashboards know, and its identifier.

use chrono::{DateTime, SecondsFormat};
use saltpeter_domain::run::{LogEntry, LogEvent, MaintenanceScope};
use saltpeter_protocol::{Attempt, MachineId, RunId, RunOutcome, UnixMillis};
use serde::Serialize;

/// A document. The names of its fields do not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Document {
    pub(super) job_name: String,
    pub(super) group: String,
    pub(super) job_instance: String,
    #[serde(rename = "@timestamp")]
    timestamp: String,
    pub(super) return_code: i32,
    pub(super) machine: String,
    pub(super) output: String,
    pub(super) msg_type: &'static str,
    /// Which attempt of the machine; absent for a first one that no other follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<Attempt>,
    #[serde(skip)]
    at: UnixMillis,
}

/// What stands before a document in a `_bulk` request.
#[derive(Serialize)]
struct Action<'a> {
    index: Place<'a>,
}

#[derive(Serialize)]
struct Place<'a> {
    _index: String,
    _id: &'a str,
    version: i64,
    version_type: &'static str,
}

impl Document {
    /// The documents of `entry`. That of a machine's end lacks the machine's output.
    pub(super) fn of(entry: &LogEntry) -> Vec<Self> {
        let run = |run: &RunId| run.as_str().to_owned();
        let one = |instance: String, msg_type| Self {
            job_name: entry.job.as_str().to_owned(),
            group: entry.group.clone(),
            job_instance: instance,
            timestamp: date_time(entry.at).to_rfc3339_opts(SecondsFormat::Millis, false),
            return_code: 0,
            machine: String::new(),
            output: String::new(),
            msg_type,
            attempt: None,
            at: entry.at,
        };
        let document = match &entry.event {
            LogEvent::RunStarted { run: id } => one(run(id), "start"),
            LogEvent::MachineStarted {
                run: id,
                machine,
                attempt,
            } => Self {
                attempt: later(*attempt),
                ..one(run(id), "machine_start").on(machine)
            },
            LogEvent::MachineEnded {
                run: id,
                machine,
                attempt,
                outcome,
            } => Self {
                return_code: outcome.exit_code().unwrap_or_default(),
                attempt: later(*attempt),
                ..one(run(id), "machine_result").on(machine)
            },
            LogEvent::AttemptEnded {
                run: id,
                machine,
                attempt,
                outcome,
                ..
            } => Self {
                return_code: outcome.exit_code().unwrap_or_default(),
                attempt: Some(*attempt),
                ..one(run(id), "machine_result").on(machine)
            },
            // What they tell is in the results and in the run's end.
            LogEvent::RetriesGivenUp { .. }
            | LogEvent::RunStopped { .. }
            | LogEvent::MachineReturned { .. }
            | LogEvent::KillUnconfirmed { .. } => return Vec::new(),
            LogEvent::RunFinished {
                run: id,
                outcome,
                counts,
            } => {
                let tried = counts.total - counts.maintenance - counts.not_attempted;
                Self {
                    return_code: i32::from(!outcome.is_success()),
                    output: match outcome {
                        RunOutcome::ResolveFailed { message } => message.clone(),
                        _ => format!("Completed: {}/{tried} targets successful", counts.succeeded),
                    },
                    ..one(run(id), "end")
                }
            }
            LogEvent::Overlap { active } => one(run(active), "overlap"),
            LogEvent::NoTargets { run: id } => one(run(id), "no_machines"),
            LogEvent::Maintenance {
                scope: MaintenanceScope::Job(hold),
            } => {
                // There is no run; this is the name that it would have had.
                let instance = RunId::compose(&entry.job, entry.at, 1);
                one(run(&instance), "maintenance").saying(hold.words())
            }
            LogEvent::Maintenance {
                scope: MaintenanceScope::Machines { run: id, machines },
            } => {
                let said = |machine: &MachineId| {
                    one(run(id), "maintenance")
                        .on(machine)
                        .saying("Target under maintenance")
                };
                return machines.iter().map(said).collect();
            }
        };
        vec![document]
    }

    fn on(self, machine: &MachineId) -> Self {
        Self {
            machine: machine.as_str().to_owned(),
            ..self
        }
    }

    fn saying(self, output: &str) -> Self {
        Self {
            output: output.to_owned(),
            ..self
        }
    }

    /// Its two lines of a `_bulk` request, for the index of its day that begins with `prefix`. `origin` is this
    /// server's.
    ///
    /// The version keeps an older word about the same thing from coming after a newer one: a machine that counted
    /// as lost and reports later has a second result, and it is the one that stays.
    pub(super) fn lines(&self, prefix: &str, origin: &str) -> Result<Vec<u8>, serde_json::Error> {
        let action = Action {
            index: Place {
                _index: format!("{prefix}-{}", date_time(self.at).format("%Y.%m.%d")),
                _id: &self.id(origin),
                version: self.at.0.max(1),
                version_type: "external_gte",
            },
        };
        let mut lines = serde_json::to_vec(&action)?;
        lines.push(b'\n');
        serde_json::to_writer(&mut lines, self)?;
        lines.push(b'\n');
        Ok(lines)
    }

    /// The same for the same event, at whatever time and how often it is sent. At most 512 bytes.
    fn id(&self, origin: &str) -> String {
        let Self {
            job_instance,
            msg_type,
            machine,
            ..
        } = self;
        // A slash is in none of the names.
        match *msg_type {
            // One run can stand in the way of many.
            "overlap" => format!("{origin}/{job_instance}/{msg_type}/{}", self.at.0),
            _ if machine.is_empty() => format!("{origin}/{job_instance}/{msg_type}"),
            _ => match self.attempt.and_then(later) {
                Some(attempt) => format!("{origin}/{job_instance}/{msg_type}/{machine}/{attempt}"),
                None => format!("{origin}/{job_instance}/{msg_type}/{machine}"),
            },
        }
    }
}

fn later(attempt: Attempt) -> Option<Attempt> {
    (!attempt.is_first()).then_some(attempt)
}

fn date_time(at: UnixMillis) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_domain::maintenance::Hold;
    use saltpeter_protocol::api::Counts;
    use saltpeter_protocol::{JobName, MachineOutcome};

    /// One second before midnight, UTC.
    const LATE: UnixMillis = UnixMillis(1_762_300_799_500);

    fn entry(event: LogEvent) -> LogEntry {
        LogEntry {
            job: JobName::new("backup").unwrap(),
            group: "night".to_owned(),
            at: LATE,
            event,
        }
    }

    fn lines(event: LogEvent) -> String {
        let documents = Document::of(&entry(event));
        let lines = documents
            .iter()
            .flat_map(|d| d.lines("saltpeter", "0a1b2c3d").unwrap());
        String::from_utf8(lines.collect()).unwrap()
    }

    #[test]
    fn every_event_has_the_fields_that_people_search_for() {
        let run = RunId::new("backup_1762300000").unwrap();
        let web1 = MachineId::new("web1").unwrap();
        let counts = Counts {
            total: 4,
            succeeded: 1,
            failed: 1,
            maintenance: 2,
            ..Counts::default()
        };
        let events = [
            LogEvent::RunStarted { run: run.clone() },
            LogEvent::MachineStarted {
                run: run.clone(),
                machine: web1.clone(),
                attempt: Attempt::FIRST,
            },
            LogEvent::MachineEnded {
                run: run.clone(),
                machine: web1.clone(),
                attempt: Attempt::FIRST,
                outcome: MachineOutcome::Failed { code: 3 },
            },
            LogEvent::AttemptEnded {
                run: run.clone(),
                machine: web1.clone(),
                attempt: Attempt::FIRST,
                last: Attempt::after(2),
                outcome: MachineOutcome::Failed { code: 4 },
                next: LATE,
            },
            LogEvent::MachineStarted {
                run: run.clone(),
                machine: web1.clone(),
                attempt: Attempt::after(1),
            },
            LogEvent::MachineEnded {
                run: run.clone(),
                machine: web1.clone(),
                attempt: Attempt::after(1),
                outcome: MachineOutcome::Succeeded,
            },
            LogEvent::RunStopped {
                run: run.clone(),
                failures: 2,
                not_attempted: 3,
            },
            LogEvent::RunFinished {
                run: run.clone(),
                outcome: RunOutcome::Failed,
                counts,
            },
            LogEvent::RunFinished {
                run: run.clone(),
                outcome: RunOutcome::ResolveFailed {
                    message: "the master does not answer".to_owned(),
                },
                counts: Counts::default(),
            },
            LogEvent::Overlap {
                active: run.clone(),
            },
            LogEvent::NoTargets { run: run.clone() },
            LogEvent::Maintenance {
                scope: MaintenanceScope::Machines {
                    run,
                    machines: vec![web1, MachineId::new("web2").unwrap()],
                },
            },
            LogEvent::Maintenance {
                scope: MaintenanceScope::Job(Hold::Everything),
            },
        ];
        insta::assert_snapshot!(events.map(lines).concat());
    }

    #[test]
    fn the_longest_identifier_is_one_that_clusters_take() {
        let run = RunId::new("r".repeat(160)).unwrap();
        let machine = MachineId::new("m".repeat(255)).unwrap();
        let started = LogEvent::MachineStarted {
            run,
            machine,
            attempt: Attempt::try_from(u32::MAX).unwrap(),
        };
        let id = Document::of(&entry(started))[0].id("0a1b2c3d");
        assert!(id.len() <= 512, "{}", id.len());
    }

    #[test]
    fn the_index_is_of_the_day_of_the_event() {
        let run = RunId::new("backup_1762300000").unwrap();
        let mut late = entry(LogEvent::RunStarted { run });
        let index = |entry: &LogEntry| {
            let lines = Document::of(entry)[0].lines("x", "0").unwrap();
            String::from_utf8(lines).unwrap()[20..32].to_owned()
        };
        assert_eq!(index(&late), "x-2025.11.04");
        late.at.0 += 1000;
        assert_eq!(index(&late), "x-2025.11.05");
    }
}
