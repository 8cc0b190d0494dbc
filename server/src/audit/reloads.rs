//! What became different in the configuration, as an entry of the trail.

use super::Deed;
use saltpeter_domain::audit::{Kind, MAX_VALUE};
use saltpeter_domain::config::JobSetDiff;
use saltpeter_domain::{Job, JobSet};
use saltpeter_protocol::JobName;
use std::fmt::Write as _;
use std::sync::Arc;

/// Names that are listed of what is new, changed or gone; of more the number says enough.
const NAMED: usize = 20;

/// The entry, unless nothing but places and problems is different. Secrets are in neither value: it is made from
/// what is shown to people.
pub(super) fn deed<'s>(before: &'s JobSet, after: &'s JobSet) -> Option<Deed> {
    let diff = JobSetDiff::between(before, after);
    if diff.is_empty() {
        return None;
    }
    let mut told = Vec::new();
    for (what, jobs) in [
        ("new", &diff.added),
        ("changed", &diff.changed),
        ("gone", &diff.removed),
    ] {
        if !jobs.is_empty() {
            told.push(format!("{what}: {}", names(jobs)));
        }
    }
    if !diff.settings.is_empty() {
        let keys: Vec<&str> = diff.settings.iter().map(|change| change.key).collect();
        told.push(format!("settings: {}", keys.join(", ")));
    }
    if diff.maintenance {
        told.push("maintenance".to_owned());
    }
    let mut values = Values::default();
    for (old, new) in before.settings.shown().iter().zip(after.settings.shown()) {
        if old.value != new.value {
            values.add(old.key, &old.value, &new.value);
        }
    }
    if diff.maintenance {
        let shown = |set: &JobSet| set.maintenance.to_string();
        values.add("maintenance", &shown(before), &shown(after));
    }
    for name in diff.added.iter().chain(&diff.changed).chain(&diff.removed) {
        let job = |set: &'s JobSet| set.jobs.get(name).map(|job| &**job);
        values.job(name, job(before), job(after));
    }
    Some(Deed {
        who: "the configuration's files".to_owned(),
        from: None,
        kind: Kind::Reload,
        deed: format!("were read again; {}", told.join("; ")),
        values: Some((values.old, values.new)),
        maintenance: diff.maintenance.then(|| Arc::clone(&after.maintenance)),
    })
}

/// What is different of a job, before and after, a line for each value. No secret is in it.
pub fn job_changes(before: Option<&Job>, after: Option<&Job>) -> (String, String) {
    let mut values = Values::default();
    if let Some(job) = after.or(before) {
        values.job(&job.name, before, after);
    }
    (values.old, values.new)
}

fn names(jobs: &[JobName]) -> String {
    let shown: Vec<&str> = jobs.iter().take(NAMED).map(JobName::as_str).collect();
    let more = match jobs.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// What differs, a line for each value.
#[derive(Default)]
struct Values {
    old: String,
    new: String,
}

impl Values {
    fn add(&mut self, key: &str, old: &str, new: &str) {
        for (text, value) in [(&mut self.old, old), (&mut self.new, new)] {
            // What would be cut off need not be made.
            if !value.is_empty() && text.len() < MAX_VALUE * 4 {
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{key}: {value}");
            }
        }
    }

    fn job(&mut self, name: &JobName, before: Option<&Job>, after: Option<&Job>) {
        let keys = |job: Option<&Job>| job.map_or_else(Vec::new, |job| job.raw.clone());
        let (old, new) = (keys(before), keys(after));
        let value_in = |of: &[(String, String)], key: &str| {
            let found = of.iter().find(|(known, _)| known == key);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let gone = old
            .iter()
            .filter(|(key, _)| new.iter().all(|(known, _)| known != key));
        for (key, _) in gone.chain(&new) {
            let (was, is) = (value_in(&old, key), value_in(&new, key));
            if was != is {
                self.add(&format!("{name}.{key}"), &was, &is);
            }
        }
        if let (Some(was), Some(is)) = (before, after) {
            for (variable, value) in &is.env {
                if was.env.get(variable).is_some_and(|old| old != value) {
                    let key = format!("{name}.env.{variable}");
                    self.add(&key, "another value", &value.to_string());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltpeter_domain::Loader;
    use saltpeter_domain::config::FileChange;
    use saltpeter_protocol::UnixMillis;

    fn load(text: &str) -> JobSet {
        let change = FileChange::Content(text.as_bytes().to_vec());
        let files = [("jobs.yaml".to_owned(), change)];
        Loader::new(chrono_tz::Tz::UTC).apply(files, UnixMillis(0))
    }

    #[test]
    fn a_reload_tells_what_is_different_and_no_secret() {
        let job = |name: &str, more: &str| {
            format!("{name}: {{schedule: '@daily', command: 'true', targets: '*'{more}}}\n")
        };
        let before = load(&format!(
            "saltpeter_config: {{elasticsearch: 'http://u:hunter2@es:9200', retention_days: 5}}\n{}{}{}",
            job("kept", ", timeout: 5, env: {PASSWORD: hunter2, LEVEL: low}"),
            job("gone", ""),
            job("same", ""),
        ));
        let after = load(&format!(
            "saltpeter_config: {{elasticsearch: 'http://u:hunter3@es:9200', retention_days: 6}}\nsaltpeter_maintenance: {{machines: [web1], reason: kernel}}\n\n{}{}{}",
            job("kept", ", timeout: 6, env: {PASSWORD: hunter3, LEVEL: low}"),
            job("same", ""),
            job("more", ", secrets: {KEY: {file: /run/secrets/key}}"),
        ));
        let deed = deed(&before, &after).unwrap();
        let (old, new) = deed.values.clone().unwrap();
        let told = format!("{}\n--- old\n{old}--- new\n{new}", deed.deed);
        assert!(!told.contains("hunter"), "{told}");
        insta::assert_snapshot!(told);
        assert_eq!(super::deed(&after, &after.clone()), None);
    }
}
