//! Crontabs: a first byte that says how it is to be read, and the text.
//!
//! The YAML that is made of one loads without an error and has as many jobs as were said, each with the command's targets and a
//! name of its own. Each line that is not in it has its reason, at a place within the line. The report is lines of plain text.

use chrono_tz::Tz;
use saltpeter_domain::config::{CheckReport, FileChange, Loader};
use saltpeter_domain::crontab::{convert, report};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{CrontabForm, ImportOutcome, ImportRequest};

const NOW: UnixMillis = UnixMillis(1_762_250_400_000);

/// One crontab.
pub fn check(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let request = ImportRequest {
        crontab: text.to_owned(),
        targets: "web*".to_owned(),
        form: match kind % 3 {
            0 => CrontabForm::Detect,
            1 => CrontabForm::User,
            _ => CrontabForm::System,
        },
        user: (kind & 4 != 0).then(|| "deploy".to_owned()),
        group: None,
    };
    let Ok(result) = convert(&request, &|name| name == "taken") else {
        return;
    };
    let file = FileChange::Content(result.yaml.clone().into_bytes());
    let set = Loader::new(Tz::UTC).apply([("crontab.yaml".to_owned(), file)], NOW);
    assert!(
        !set.has_errors(),
        "{}\n{}",
        CheckReport::new(&set).lines(),
        result.yaml
    );
    assert_eq!(set.jobs.len(), result.jobs as usize, "{}", result.yaml);
    for line in &result.lines {
        let width = line.text.chars().count() + line_indent(text, line.line);
        assert!(
            line.column
                .is_none_or(|column| column >= 1 && column as usize <= width + 1),
            "{line:?}"
        );
        let is_refused = line.outcome == ImportOutcome::Refused;
        assert!(!is_refused || !line.remarks.is_empty() && line.jobs.is_empty());
        for name in &line.jobs {
            assert_ne!(name.as_str(), "taken");
            assert_eq!(set.jobs[name].targets.text(), "web*");
        }
    }
    let told = report("crontab", &result);
    assert!(!told.contains(|c: char| c.is_control() && c != '\n'));
}

/// What a line has around its text, which is shown without.
fn line_indent(text: &str, number: u32) -> usize {
    let line = text.lines().nth(number as usize - 1).unwrap_or_default();
    line.chars().count() - line.trim().chars().count()
}
