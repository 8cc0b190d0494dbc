//! Crontabs made into jobs: that the jobs load, and fire when cron would have started the line.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use chrono::{DateTime, Datelike, Duration, NaiveDate, Timelike};
use chrono_tz::Tz;
use proptest::prelude::*;
use saltpeter_domain::config::{CheckReport, FileChange, JobSet, Loader};
use saltpeter_domain::crontab::{self, ImportError, report};
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{CrontabForm, ImportOutcome, ImportRequest, ImportResult};
use std::collections::BTreeSet;

fn request(crontab: &str) -> ImportRequest {
    ImportRequest {
        crontab: crontab.to_owned(),
        targets: "web*".to_owned(),
        ..ImportRequest::default()
    }
}

fn convert(request: &ImportRequest) -> Result<ImportResult, ImportError> {
    crontab::convert(request, &|_| false)
}

fn import(crontab: &str) -> ImportResult {
    convert(&request(crontab)).unwrap()
}

fn load(yaml: &str) -> JobSet {
    let file = FileChange::Content(yaml.as_bytes().to_vec());
    let set = Loader::new(Tz::UTC).apply([("crontab.yaml".to_owned(), file)], UnixMillis(0));
    let problems = CheckReport::new(&set).lines();
    assert!(!set.has_errors(), "{problems}\n{yaml}");
    set
}

/// The command of the only job.
fn command(crontab: &str) -> String {
    let set = load(&import(crontab).yaml);
    assert_eq!(set.jobs.len(), 1, "{crontab}");
    set.jobs.values().next().unwrap().command.clone()
}

const USER: &str = r#"# Backups
MAILTO=ops@example.com
PATH = /usr/local/bin:/usr/bin
HOME="/srv/app"
0 2 * * * backup.sh --full >/dev/null 2>&1

# Reports, on the first and on Mondays
CRON_TZ=Europe/Berlin
30 6 1,15 * mon report.sh
@daily tidy it's
@reboot start.sh
5 4 * * 1 mail -s Hello root%Dear root,%100\% done
15 10~12 * * * random.sh
15 25 * * * late.sh
15 3 * *
SHELL=/bin/bash
*/5 * * * * echo $((1 + 1)) | tee -a 'a b'
0 0 31 2 * never.sh
# the end
"#;

const SYSTEM: &str = "\
SHELL=/bin/sh
# m h dom mon dow user command
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6 * * * root test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )
*/10 * * * * www-data php /var/www/cron.php
* * * * * /bin/true x
";

#[test]
fn a_users_crontab() {
    let result = import(USER);
    load(&result.yaml);
    insta::assert_snapshot!(format!("{}\n{}", report("crontab", &result), result.yaml));
}

#[test]
fn a_system_crontab() {
    let lines = SYSTEM.strip_suffix("* * * * * /bin/true x\n").unwrap();
    assert_eq!(import(lines).form, CrontabForm::System);
    let result = convert(&ImportRequest {
        form: CrontabForm::System,
        ..request(SYSTEM)
    })
    .unwrap();
    let set = load(&result.yaml);
    assert_eq!(set.jobs["cron"].user.as_deref(), Some("www-data"));
    insta::assert_snapshot!(format!("{}\n{}", report("crontab", &result), result.yaml));
}

#[test]
fn what_looks_like_a_user_is_not_taken_for_one() {
    for crontab in [
        "0 1 * * * backup now\n",
        "0 1 * * * root\n",
        "0 1 * * * /bin/root x\n",
    ] {
        assert_eq!(import(crontab).form, CrontabForm::User, "{crontab}");
    }
}

#[test]
fn percent_signs_mean_what_they_mean_to_cron() {
    assert_eq!(command(r"* * * * * date +\%F"), "date +%F");
    assert_eq!(command(r"* * * * * a\b \\x"), r"a\b \\x");
    assert_eq!(command("* * * * * cat%"), "cat");
    assert_eq!(command("* * * * * cat%a%b"), "exec <<'END'\na\nb\nEND\ncat");
    assert_eq!(
        command(r"* * * * * cat%a\%b\c"),
        "exec <<'END'\na%b\\c\nEND\ncat"
    );
    assert_eq!(
        command("* * * * * cat%END%b"),
        "exec <<'END_'\nEND\nb\nEND_\ncat"
    );
    assert_eq!(
        command("SHELL=/bin/bash\n* * * * * echo 'a'%b"),
        "exec <<'END'\nb\nEND\nexec /bin/bash -c 'echo '\\''a'\\'''"
    );
}

#[test]
fn a_shell_runs_the_here_document_as_cron_feeds_it() {
    let script = command(r"* * * * * cat; echo \%%one%two \% three");
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "one\ntwo % three\n%\n"
    );
}

#[test]
fn a_line_that_is_not_understood_says_where() {
    for (line, column) in [
        ("60 * * * * x", 1),
        ("  0 1,24 * * * x", 7),
        ("0 0 5-1 * * x", 5),
        ("0 0 * * funday x", 9),
        ("0 0 * *", 8),
        ("0 0 * * *", 10),
        ("5/10 * * * * x", 1),
        ("@fortnightly x", 1),
        ("hello", 6),
    ] {
        let result = import(line);
        assert_eq!(result.refused(), 1, "{line}");
        assert_eq!(
            result.lines[0].column,
            Some(column),
            "{line}: {:?}",
            result.lines[0].remarks
        );
        load(&result.yaml);
    }
}

#[test]
fn what_only_looks_like_a_blank_between_fields_is_refused_with_its_place() {
    // A form feed, and the blanks of a page or a word processor.
    for sign in ['\u{c}', '\u{a0}', '\u{2003}', '\u{b}', '\u{85}'] {
        for crontab in [
            format!("0 0 31 1{sign} * x\n"),
            format!("0{sign}0 0 31 1 * x\n"),
        ] {
            let result = import(&crontab);
            assert_eq!(result.jobs, 0, "{crontab:?}");
            let line = &result.lines[0];
            assert_eq!(line.outcome, ImportOutcome::Refused, "{crontab:?}");
            let place = crontab.chars().position(|c| c == sign).unwrap() + 1;
            assert_eq!(line.column.map(|column| column as usize), Some(place));
            assert!(line.remarks[0].contains("write a blank"), "{line:?}");
            load(&result.yaml);
        }
    }
}

#[test]
fn a_user_is_given_for_a_users_crontab() {
    let result = convert(&ImportRequest {
        user: Some("deploy".to_owned()),
        ..request("* * * * * x\n")
    });
    let set = load(&result.unwrap().yaml);
    assert_eq!(set.jobs["x"].user.as_deref(), Some("deploy"));
}

#[test]
fn no_job_gets_the_name_of_one_that_is_there() {
    let request = request("* * * * * x\n* * * * * x\n");
    let result = crontab::convert(&request, &|name| name == "x").unwrap();
    let names: Vec<&str> = result
        .lines
        .iter()
        .flat_map(|line| &line.jobs)
        .map(saltpeter_protocol::JobName::as_str)
        .collect();
    assert_eq!(names, ["x_2", "x_3"]);
    assert_eq!(
        result.lines[0].remarks,
        ["there is a job \"x\" already, hence another name"]
    );
}

#[test]
fn a_report_is_lines_of_text_whatever_a_crontab_has_in_it() {
    let told = report("a\u{1b}b", &import("@reboot \u{1b}]0;x\u{7}\n@\u{1b}x y\n"));
    assert!(
        !told.contains(|c: char| c.is_control() && c != '\n'),
        "{told:?}"
    );
}

#[test]
fn many_jobs_of_one_command_are_named_in_time() {
    let lines = "* * * * * x\n".repeat(40_000);
    let result = convert(&request(&lines)).unwrap();
    assert_eq!(result.jobs, 40_000);
}

#[test]
fn nonsense_around_the_crontab_is_refused() {
    let with = |targets: &str, group: Option<&str>, user: Option<&str>| {
        convert(&ImportRequest {
            targets: targets.to_owned(),
            group: group.map(ToOwned::to_owned),
            user: user.map(ToOwned::to_owned),
            ..request("* * * * * x\n")
        })
    };
    assert!(matches!(
        with(" ", None, None),
        Err(ImportError::Targets(_))
    ));
    assert!(matches!(
        with("*", Some("../a"), None),
        Err(ImportError::Group(_))
    ));
    assert!(matches!(
        with("*", None, Some("")),
        Err(ImportError::User(_))
    ));
    // Each job has the whole environment: that must not grow without a bound.
    let many = format!(
        "A={}\n{}",
        "x".repeat(100_000),
        "* * * * * x\n".repeat(1_000)
    );
    assert_eq!(convert(&request(&many)), Err(ImportError::TooLong));
}

/// A field as cron's manual tells of it: what it says, and whether a value is in it.
#[derive(Debug, Clone)]
struct Cron {
    text: String,
    values: BTreeSet<u32>,
}

fn field(low: u32, high: u32) -> impl Strategy<Value = Cron> {
    let span = (low..=high, low..=high).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let item = prop_oneof![
        (low..=high).prop_map(|one| (one.to_string(), one, one, 1)),
        span.clone()
            .prop_map(|(a, b)| (format!("{a}-{b}"), a, b, 1)),
        (span, 1u32..9).prop_map(|((a, b), step)| (format!("{a}-{b}/{step}"), a, b, step)),
        (1u32..9).prop_map(move |step| (format!("*/{step}"), low, high, step)),
    ];
    let list = prop::collection::vec(item, 1..4).prop_map(|items| Cron {
        text: items
            .iter()
            .map(|item| item.0.as_str())
            .collect::<Vec<_>>()
            .join(","),
        values: items
            .iter()
            .flat_map(|item| (item.1..=item.2).filter(|value| (value - item.1) % item.3 == 0))
            .collect(),
    });
    let every = Just(Cron {
        text: "*".to_owned(),
        values: (low..=high).collect(),
    });
    prop_oneof![2 => every, 3 => list]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn jobs_fire_when_cron_starts_the_line_and_once(
        (min, hour) in (field(0, 59), field(0, 23)),
        (dom, mon, dow) in (field(1, 31), field(1, 12), field(0, 7)),
        day in 0i64..1_400,
    ) {
        let line = format!("{} {} {} {} {} x", min.text, hour.text, dom.text, mon.text, dow.text);
        let from = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Duration::days(day);
        let from = from.and_hms_opt(0, 0, 0).unwrap().and_utc();
        let days = 33;
        let matches = |at: DateTime<chrono::Utc>| {
            let weekday = at.weekday().num_days_from_sunday();
            let by_dom = dom.values.contains(&at.day());
            let by_dow = dow.values.contains(&weekday) || (weekday == 0 && dow.values.contains(&7));
            let by_day = if dom.text.starts_with('*') || dow.text.starts_with('*') {
                by_dom && by_dow
            } else {
                by_dom || by_dow
            };
            min.values.contains(&at.minute()) && hour.values.contains(&at.hour()) && mon.values.contains(&at.month()) && by_day
        };
        let expected: Vec<i64> = (0..days * 24 * 60)
            .map(|minute| from + Duration::minutes(minute))
            .filter(|&at| matches(at))
            .map(|at| at.timestamp())
            .collect();
        let end = (from + Duration::days(days)).timestamp();
        let result = import(&line);
        let set = load(&result.yaml);
        let mut fires: Vec<i64> = set
            .jobs
            .values()
            .flat_map(|job| job.schedule.after(UnixMillis(from.timestamp_millis() - 1), Tz::UTC)
                .map(saltpeter_protocol::UnixMillis::seconds)
                .take_while(|&at| at < end)
                .collect::<Vec<_>>())
            .collect();
        fires.sort_unstable();
        prop_assert_eq!(fires, expected, "{}\n{}", line, result.yaml);
    }

    #[test]
    fn whatever_is_pasted_loads(
        lines in prop::collection::vec(prop_oneof![
            any::<String>(),
            "[ -~]{0,40}",
            "([*0-9@a-z/,~-]{1,6} ){5}[ -~]{0,40}",
            any::<String>().prop_map(|command| format!("* * * * * {command}")),
            "[A-Z]{1,5} ?= ?[ -~]{0,20}",
            any::<String>().prop_map(|value| format!("A={value}")),
            Just("SHELL=/bin/bash".to_owned()),
            Just("CRON_TZ=Mars/Base".to_owned()),
            "# ?\\PC{0,20}",
            "0 5 1 \\* mon [a-z'\"%\\\\ ]{1,30}",
        ], 0..12),
        form in prop_oneof![Just(CrontabForm::Detect), Just(CrontabForm::User), Just(CrontabForm::System)],
    ) {
        let text = lines.join("\n");
        let result = convert(&ImportRequest { form, ..request(&text) }).unwrap();
        let set = load(&result.yaml);
        prop_assert_eq!(set.jobs.len(), result.jobs as usize, "{}", result.yaml);
        for line in &result.lines {
            prop_assert!(line.outcome != ImportOutcome::Refused || !line.remarks.is_empty());
        }
    }

    #[test]
    fn a_command_arrives_as_it_is(command in "[!-$&-\\[\\]-~][ -$&-\\[\\]-~äß€]{0,50}[!-$&-\\[\\]-~]") {
        // Without '%' and '\\', which have a test of their own.
        let crontab = format!("* * * * * {command}");
        let set = load(&import(&crontab).yaml);
        let job = set.jobs.values().next().unwrap();
        prop_assert_eq!(&job.command, &command);
    }
}
