//! What the keys of a job mean.

use super::{GOOD, NOW, content, job, load, problems};
use chrono_tz::Tz;
use saltpeter_domain::config::{JobSet, Loader};
use saltpeter_domain::failures::FailureLimit;
use saltpeter_domain::job::{LaunchWay, Overlap, RunSpec, Timeout, WrapperLogLevel};
use saltpeter_domain::retry::Backoff;
use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::JobName;
use std::time::Duration;

#[test]
fn every_key_of_a_job_is_read() {
    let text = r"
backup:
  sec: 5
  min: '*/10'
  hour: 1-3
  dom: L
  mon: jan,feb
  dow: '?'
  year: 2026-2030
  timezone: Europe/Berlin
  command: |
    echo one
    echo two
  targets: [web1, web2]
  number_of_targets: 2
  batch_size: 1
  max_failures: 10 %
  retries: 3
  retry_delay: 30
  retry_backoff: exponential
  reconnect_grace: 60
  timeout: 90
  soft_timeout: 60
  cwd: /srv
  user: backup
  env: {TOKEN: s3cret, EMPTY: , FLAG: off, MODE: 0755}
  overlap: replace
  use_wrapper: false
  wrapper_path: /opt/wrapper
  wrapper_loglevel: off
  wrapper_logdir: /var/log/w
  lockfile: /run/lock/x
  saltpeter_server_host: cron.example
";
    let set = load(&[("db.yaml", text)]);
    let noted = problems(&set);
    assert_eq!(noted.lines().count(), 1, "{noted}");
    assert!(noted.contains("warning: with use_wrapper: false the values of env go through Salt"));
    let job = &set.jobs["backup"];
    assert_eq!(job.group, "db");
    assert_eq!(
        job.schedule.expression(),
        "5 */10 1-3 L jan,feb ? 2026-2030"
    );
    assert_eq!(job.schedule.zone(Tz::UTC), Tz::Europe__Berlin);
    assert_eq!(job.command, "echo one\necho two\n");
    assert_eq!(
        (job.targets.target_type(), job.targets.text()),
        (TargetType::List, "web1,web2")
    );
    assert_eq!(job.number_of_targets.map(u32::from), Some(2));
    assert_eq!(job.batch_size.map(u32::from), Some(1));
    assert_eq!(job.max_failures, Some(FailureLimit::Percent(10)));
    let retry = job.retry.unwrap();
    assert_eq!((retry.more.get(), retry.delay.as_secs()), (3, 30));
    assert_eq!(retry.backoff, Backoff::Exponential);
    assert_eq!(job.reconnect_grace(&set.settings), Duration::from_mins(1));
    assert_eq!(
        job.timeout,
        Timeout::SoftHard {
            soft: Duration::from_mins(1),
            hard: Duration::from_secs(90)
        }
    );
    assert_eq!(job.cwd.as_deref(), Some("/srv"));
    assert_eq!(job.user.as_deref(), Some("backup"));
    let env: Vec<_> = job
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(
        env,
        [
            ("EMPTY", ""),
            ("FLAG", "off"),
            ("MODE", "0755"),
            ("TOKEN", "s3cret")
        ]
    );
    assert_eq!(job.overlap, Overlap::Replace);
    assert_eq!(job.launch, LaunchWay::Executor);
    assert_eq!(job.wrapper_loglevel, Some(WrapperLogLevel::Off));
    assert_eq!(job.source.to_string(), "db.yaml:2:1");
    assert_eq!(job.raw[0], ("sec".to_owned(), "5".to_owned()));
    assert!(!format!("{job:?}").contains("s3cret"));

    let frozen = job.freeze(&set.settings);
    assert_eq!(frozen.wrapper.path, "/opt/wrapper");
    assert_eq!(frozen.server_host.as_deref(), Some("cron.example"));
    let stored = serde_json::to_string(&frozen).unwrap();
    assert_eq!(serde_json::from_str::<RunSpec>(&stored).unwrap(), frozen);
}

#[test]
fn what_is_not_written_has_its_default() {
    let set = load(&[("a.yml", GOOD)]);
    let job = &set.jobs["a"];
    assert_eq!(job.timeout, Timeout::After(Duration::from_hours(1)));
    assert_eq!(
        (job.overlap, job.launch),
        (Overlap::Skip, LaunchWay::Wrapper)
    );
    assert_eq!(job.targets.target_type(), TargetType::Glob);
    let frozen = job.freeze(&set.settings);
    assert_eq!(frozen.wrapper.path, "/usr/local/bin/saltpeter-wrapper");
    assert_eq!(frozen.wrapper.logdir, "/var/log/sp_wrapper");
}

#[test]
fn old_spellings_still_hold() {
    let text = format!(
        "{}{}{}",
        job("a", "  hard_timeout: 60\n  soft_timeout: 30\n"),
        job("b", "  allow_overlap: i know what i am doing!\n"),
        job("c", "  timeout: 0\n")
    );
    let set = load(&[("x.yaml", &text)]);
    assert_eq!(problems(&set), "");
    assert_eq!(
        set.jobs["a"].timeout,
        Timeout::SoftHard {
            soft: Duration::from_secs(30),
            hard: Duration::from_mins(1)
        }
    );
    assert_eq!(set.jobs["b"].overlap, Overlap::Allow);
    assert_eq!(set.jobs["c"].timeout, Timeout::None);
}

#[test]
fn the_schedule_of_a_job_follows_the_zone_that_holds_for_it() {
    let text = format!(
        "{}{}",
        job("own", "  timezone: Asia/Tokyo\n"),
        job("utc", "  utc: true\n")
    );
    let files = [
        ("a.yaml", text.as_str()),
        ("b.yaml", &job("default", "  utc: false\n")),
    ];
    let set = load(&files);
    let zone = |set: &JobSet, name: &str| set.jobs[name].schedule.zone(set.default_zone);
    assert_eq!(zone(&set, "own"), Tz::Asia__Tokyo);
    assert_eq!(zone(&set, "utc"), Tz::UTC);
    let mut loader = Loader::new(Tz::Europe__Paris);
    let set = loader.apply(files.map(|(name, text)| content(name, text)), NOW);
    assert_eq!(zone(&set, "default"), Tz::Europe__Paris);
    let set = loader.apply(
        [content(
            "c.yaml",
            "saltpeter_config: {timezone: Asia/Tokyo}",
        )],
        NOW,
    );
    assert_eq!(zone(&set, "default"), Tz::Asia__Tokyo);
}

#[test]
fn what_jobs_share_is_written_once() {
    let text = "
.defaults: &defaults
  targets: 'web*'
  timeout: 60
  min: 0
.nightly: &nightly {hour: 2, min: 30, dom: '*', mon: '*', dow: '*'}
one:
  <<: *defaults
  schedule: '@daily'
  min:
  command: a
two:
  <<: [*nightly, *defaults]
  command: b
  timeout: 90
";
    let set = load(&[("x.yaml", text)]);
    assert_eq!(set.problems, []);
    let job = |name: &str| &set.jobs[&JobName::new(name).unwrap()];
    assert_eq!(set.jobs.len(), 2);
    assert_eq!(job("one").timeout, Timeout::After(Duration::from_mins(1)));
    let two = job("two");
    assert_eq!(two.timeout, Timeout::After(Duration::from_secs(90)));
    // The earlier one goes before the later.
    assert_eq!(two.schedule.expression(), "0 30 2 * * * *");
}

#[test]
fn a_thousand_jobs_may_share_ten_keys() {
    let shared = ".shared: &shared\n  command: x\n  targets: '*'\n  cwd: /\n  user: nobody\n  timeout: 60\n  retries: 1\n  retry_delay: 5\n  \
         max_failures: 3\n  batch_size: 5\n  timezone: UTC\n";
    let jobs = (0..1_000).map(|n| format!("job{n}:\n  <<: *shared\n  schedule: '@daily'\n"));
    let text = format!("{shared}{}", jobs.collect::<Vec<_>>().concat());
    let set = load(&[("a.yaml", &text)]);
    assert!(!set.has_errors(), "{:?}", set.problems.first());
    assert_eq!(set.jobs.len(), 1_000);
}

#[test]
fn a_command_that_no_shell_can_be_given_is_an_error() {
    let of = |bytes: usize| {
        let text = format!(
            "long:\n  schedule: '@daily'\n  targets: '*'\n  command: {}\n",
            "x".repeat(bytes)
        );
        problems(&load(&[("x.yaml", &text)]))
    };
    assert_eq!(of(131_071), "");
    let noted = of(131_072);
    assert!(
        noted.contains("x.yaml:4:12: error: command: has 131072 bytes"),
        "{noted}"
    );
}
