//! Secrets: told by where they are read, and by nothing else.

use super::{job, load, problems};
use saltpeter_domain::config::CheckReport;
use saltpeter_domain::job::RunSpec;

#[test]
fn secrets_are_named_by_where_they_are_read_and_shown_so() {
    let text = job(
        "a",
        "  secrets:\n    DB: {file: /run/secrets/db}\n    KEY:\n      env: API_KEY\n  env: {LEVEL: high}\n  enviroment: {PASSWORD: hunter2}\n",
    );
    let set = load(&[("x.yaml", &text)]);
    let job = &set.jobs["a"];
    let shown: Vec<String> = job
        .secrets
        .iter()
        .map(|(name, source)| format!("{name}: {source}"))
        .collect();
    assert_eq!(
        shown,
        [
            "DB: file /run/secrets/db",
            "KEY: variable API_KEY of the server"
        ]
    );
    let raw = format!("{:?}", job.raw);
    assert!(raw.contains("DB: file: /run/secrets/db"), "{raw}");
    // Neither what is misspelt.
    assert!(!raw.contains("high") && !raw.contains("hunter2"), "{raw}");
    let spec = job.freeze(&set.settings);
    assert_eq!(spec.secrets, job.secrets);
    assert!(spec.command().secrets.is_empty());
    let stored = serde_json::to_value(&spec).unwrap();
    assert_eq!(stored["secrets"]["DB"]["file"], "/run/secrets/db");
    let back: RunSpec = serde_json::from_value(stored).unwrap();
    assert_eq!(back, spec);
    let report = CheckReport::new(&set);
    assert_eq!(
        report.secret_lines(),
        "a: DB from file /run/secrets/db\na: KEY from variable API_KEY of the server\n"
    );
}

#[test]
fn a_value_in_place_of_a_source_is_an_error_that_does_not_repeat_it() {
    let wrong = [
        "hunter2",
        "{DB: hunter2}",
        "{DB: [hunter2]}",
        "{DB: {value: hunter2}}",
        "{DB: {hunter2: x}}",
        "{DB: {file: hunter2}}",
        "{DB: {file: [hunter2]}}",
        "{DB: {file: /x, env: hunter2}}",
        "{DB: {env: 'hunter2!'}}",
        "{DB: }",
        "{'hunter2!': {env: X}}",
    ];
    let mut report = String::new();
    for secrets in wrong {
        let set = load(&[("x.yaml", &job("a", &format!("  secrets: {secrets}\n")))]);
        assert!(set.jobs.is_empty(), "{secrets}");
        let noted = problems(&set);
        assert!(!noted.contains("hunter2"), "{noted}");
        report.push_str(&noted);
    }
    for more in [
        "  use_wrapper: false\n  env: {A: 1}\n",
        "  wrapper_protocol: 1\n  env: {A: 1}\n",
        "  env: {DB: 1}\n",
    ] {
        let text = job("a", &format!("  secrets: {{DB: {{env: X}}}}\n{more}"));
        report.push_str(&problems(&load(&[("x.yaml", &text)])));
    }
    insta::assert_snapshot!(report);
}
