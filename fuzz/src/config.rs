//! The configuration directory: one file, or two with a line `%%%` between them.
//!
//! Every problem has a place within its file. Unchanged bytes are not parsed again and mean the same. Jobs have safe names. What
//! the maintenance page would write says what was wanted, and no other key of the file says anything else. What the job editor
//! writes differs from the file in the job's own lines alone.

use crate::assert_plain;
use chrono_tz::Tz;
use saltpeter_domain::config::{
    FileChange, JobChange, JobSet, Loader, Trial, change_job, edit_maintenance, job_block,
};
use saltpeter_domain::{Maintenance, Severity};
use saltpeter_protocol::{MachineId, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_762_250_400_000);

/// Jobs of a file that are edited, at most.
const JOBS_EDITED: usize = 3;

/// Between two files.
const BETWEEN: &str = "\n%%%\n";

/// One directory.
pub fn check(data: &[u8]) {
    let (first, second) = match std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.split_once(BETWEEN))
    {
        Some((first, second)) => (first.as_bytes(), Some(second.as_bytes())),
        None => (data, None),
    };
    let mut files = vec![("a.yaml", first)];
    files.extend(second.map(|second| ("b.yaml", second)));
    let changes = || {
        let change = |(name, bytes): &(&str, &[u8])| {
            ((*name).to_owned(), FileChange::Content(bytes.to_vec()))
        };
        files.iter().map(change).collect::<Vec<_>>()
    };
    let mut loader = Loader::new(Tz::UTC);
    let loaded = loader.apply(changes(), NOW);
    is_sound(&loaded, &files);
    let parsed = loader.parsed_files();
    assert_eq!(loader.apply(changes(), NOW), loaded);
    assert_eq!(
        loader.parsed_files(),
        parsed,
        "unchanged files were parsed again"
    );

    if let Ok(text) = std::str::from_utf8(first) {
        tried(text);
        edited(text, &Maintenance::default());
        edited(text, &wanted());
        let of_first =
            |name: &&saltpeter_protocol::JobName| *loaded.jobs[*name].source.file == *"a.yaml";
        for name in loaded.jobs.keys().filter(of_first).take(JOBS_EDITED) {
            job_edited(text, name.as_str());
        }
    }
}

/// What is said of a text before it is saved is what is said of the file afterwards.
fn tried(text: &str) {
    let content = FileChange::Content(text.as_bytes().to_vec());
    let saved = Loader::new(Tz::UTC).apply([("a.yaml".to_owned(), content)], NOW);
    let trial = Trial::new("a.yaml", text, &saved.settings, Tz::UTC, NOW);
    assert_eq!(trial.jobs, saved.jobs);
    for problem in &trial.problems {
        assert!(saved.problems.contains(problem), "{problem}");
    }
}

fn is_sound(loaded: &JobSet, files: &[(&str, &[u8])]) {
    for name in loaded.jobs.keys() {
        assert_plain(name.as_str());
    }
    assert_eq!(loaded.files.len(), files.len());
    for problem in &loaded.problems {
        let Some((_, bytes)) = files.iter().find(|(name, _)| **name == *problem.file) else {
            panic!("{problem} is in no file");
        };
        assert!(!problem.message.is_empty());
        let text = String::from_utf8_lossy(bytes);
        // A form feed and the like count as ends of lines for some.
        let breaks = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let lines = text.matches(breaks).count() + 1;
        assert!(
            problem.line >= 1 && problem.line as usize <= lines + 1,
            "{problem}"
        );
        assert!(
            problem.column >= 1 && problem.column as usize <= text.chars().count() + 1,
            "{problem}"
        );
    }
    for file in &loaded.files {
        let of_file = |severity| {
            let of = |p: &&saltpeter_domain::Problem| p.file == file.name && p.severity == severity;
            loaded.problems.iter().filter(of).count()
        };
        assert!(file.errors <= of_file(Severity::Error));
        assert!(file.warnings <= of_file(Severity::Warning));
    }
}

/// Replaces a job by itself and by another, and deletes it.
fn job_edited(text: &str, job: &str) {
    let Ok(block) = job_block(text, job) else {
        return;
    };
    let block = block.unwrap_or_else(|| panic!("{job:?} is in force and not found"));
    let at = text.match_indices(&block.text).map(|(at, _)| at);
    let around: Vec<(&str, &str)> = at
        .map(|at| (&text[..at], &text[at + block.text.len()..]))
        .collect();
    let new = format!("{job}: {{schedule: '@daily', command: x, targets: '*'}}\n");
    for change in [
        JobChange::Replace {
            job,
            text: &block.text,
        },
        JobChange::Replace { job, text: &new },
        JobChange::Delete { job },
    ] {
        let Ok(changed) = change_job(text, &change) else {
            continue;
        };
        let stays = |(before, after): &(&str, &str)| {
            changed.text.starts_with(before)
                && changed.text.ends_with(after)
                && changed.text.len() >= before.len() + after.len()
        };
        assert!(
            around.iter().any(stays),
            "{change:?} of {text:?}: {:?}",
            changed.text
        );
    }
    // Lines may end in several ways; edited ones end in one.
    if !text.contains('\r') {
        let text_of_it = &block.text;
        let change = JobChange::Replace {
            job,
            text: text_of_it,
        };
        if let Ok(changed) = change_job(text, &change) {
            assert_eq!(changed.text, text);
        }
    }
}

fn wanted() -> Maintenance {
    let machine = |name| MachineId::new(name).unwrap_or_else(|error| panic!("{error}"));
    Maintenance {
        global: true,
        groups: ["db", "on", "a: [b]"]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        machines: ["web1", "off", "1.50"].into_iter().map(machine).collect(),
        reason: Some("a \"reason\": # with 'signs'".to_owned()),
        by: Some("me".to_owned()),
        since: Some(NOW),
        until: None,
    }
}

/// Edits `text`, and reads it as the server would.
fn edited(text: &str, wanted: &Maintenance) {
    let Ok(after) = edit_maintenance(text, wanted) else {
        return;
    };
    let load = |text: &str| {
        let content = FileChange::Content(text.as_bytes().to_vec());
        Loader::new(Tz::UTC).apply([("a.yaml".to_owned(), content)], NOW)
    };
    let (before, after_it) = (load(text), load(&after));
    assert_eq!(*after_it.maintenance, *wanted, "{after}");
    assert_eq!(after_it.settings, before.settings, "{after}");
    let names = |set: &JobSet| set.jobs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after_it), names(&before), "{after}");
    for (name, job) in &before.jobs {
        let other = &after_it.jobs[name];
        assert_eq!(other.command, job.command, "{after}");
        assert_eq!(other.targets, job.targets, "{after}");
        assert_eq!(other.schedule, job.schedule, "{after}");
    }
    if before.has_errors() {
        return;
    }
    // A second edit to the same changes nothing more.
    assert_eq!(
        edit_maintenance(&after, wanted).as_deref(),
        Ok(after.as_str())
    );
}
