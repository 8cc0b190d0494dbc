//! The cases of the library that the earlier implementation uses, one a line.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use chrono::DateTime;
use chrono_tz::Tz;
use saltpeter_domain::schedule::{Field, Schedule, Zone};
use saltpeter_protocol::UnixMillis;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    sec: String,
    min: String,
    hour: String,
    dom: String,
    mon: String,
    dow: String,
    year: String,
    after: String,
    #[serde(default)]
    next: Vec<String>,
    #[serde(default)]
    invalid: bool,
}

impl Case {
    fn texts(&self) -> [&str; 7] {
        [
            &self.sec, &self.min, &self.hour, &self.dom, &self.mon, &self.dow, &self.year,
        ]
    }
}

fn cases() -> Vec<Case> {
    include_str!("cron-vectors.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn instant(text: &str) -> UnixMillis {
    UnixMillis(
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_millis(),
    )
}

#[test]
fn all_cases_of_the_earlier_implementation_hold() {
    let cases = cases();
    assert_eq!(cases.len(), 1995);
    let mut wrong = Vec::new();
    for case in &cases {
        let texts = case.texts();
        match Schedule::from_fields(texts, Zone::Named(Tz::UTC)) {
            Err(_) if case.invalid => {}
            Err(errors) => wrong.push(format!("{texts:?}: {errors:?}")),
            Ok(_) if case.invalid => wrong.push(format!("{texts:?}: is taken and should not be")),
            Ok(schedule) => {
                let expected: Vec<UnixMillis> =
                    case.next.iter().map(|text| instant(text)).collect();
                // Where the case has fewer than five there are no more.
                let found: Vec<UnixMillis> = schedule
                    .after(instant(&case.after), Tz::UTC)
                    .take(5)
                    .collect();
                if found != expected {
                    wrong.push(format!(
                        "{texts:?} after {}: {found:?}, expected {expected:?}",
                        case.after
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_wrong_field_is_named_in_every_invalid_case() {
    for case in cases().iter().filter(|case| case.invalid) {
        let errors = Schedule::from_fields(case.texts(), Zone::Named(Tz::UTC)).unwrap_err();
        for error in errors {
            let field = error.field.unwrap();
            assert!(Field::ALL.contains(&field));
            assert!(error.message.starts_with(field.key()), "{}", error.message);
        }
    }
}
