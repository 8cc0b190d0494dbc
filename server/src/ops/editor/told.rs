//! What is put down of an edit.

use super::Tried;
use crate::audit::job_changes;
use crate::people::audit::What;
use saltpeter_domain::Job;
use saltpeter_protocol::api::JobEdit;

impl Tried {
    /// What is put down of it: who changed what, without any secret, as for a change that is found in the files.
    pub(super) fn told(&self, change: &JobEdit) -> Vec<What> {
        let job_before = |name: &str| self.before.jobs.get(name).map(|job| &**job);
        let file = &self.target.name;
        let entry = |what: String, old: Option<&Job>, new: Option<&Job>| {
            let (before, after) = job_changes(old, new);
            What::Changed {
                what,
                before,
                after,
            }
        };
        match change {
            JobEdit::Delete { job } => {
                let what = format!("{file}: deleted job {job}");
                vec![entry(what, job_before(job), None)]
            }
            JobEdit::Replace { job, .. } => self
                .jobs()
                .map(|new| {
                    let renamed = if new.name.as_str() == job {
                        String::new()
                    } else {
                        format!(", which is now {}", new.name)
                    };
                    let what = format!("job {job} in {file}{renamed}");
                    entry(what, job_before(job), Some(new))
                })
                .collect(),
            JobEdit::Add { .. } => self
                .jobs()
                .map(|new| entry(format!("{file}: new job {}", new.name), None, Some(new)))
                .collect(),
        }
    }
}
