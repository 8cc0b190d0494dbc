//! The configuration directory: what is in force, and what people are told.

use chrono_tz::Tz;
use saltpeter_domain::config::{CheckReport, FileChange, JobSet, Loader};
use saltpeter_domain::failures::FailureLimit;
use saltpeter_domain::job::{LaunchWay, Overlap, RunSpec, Timeout, WrapperLogLevel};
use saltpeter_domain::retry::Backoff;
use saltpeter_domain::targeting::TargetType;
use saltpeter_protocol::{JobName, UnixMillis};
use std::fmt::Write as _;
use std::time::Duration;

/// 2026-06-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_780_272_000_000);

const GOOD: &str = "a:\n  schedule: '@hourly'\n  command: echo a\n  targets: '*'\n";

fn content(name: &str, text: &str) -> (String, FileChange) {
    (
        name.to_owned(),
        FileChange::Content(text.as_bytes().to_vec()),
    )
}

fn load(files: &[(&str, &str)]) -> JobSet {
    Loader::new(Tz::UTC).apply(files.iter().map(|(name, text)| content(name, text)), NOW)
}

fn job(name: &str, extra: &str) -> String {
    format!("{name}:\n  schedule: '@hourly'\n  command: echo {name}\n  targets: '*'\n{extra}")
}

fn problems(set: &JobSet) -> String {
    CheckReport::new(set).lines()
}

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
fn special_keys_are_merged_key_by_key_and_the_later_file_wins() {
    let set = load(&[
        (
            "10.yaml",
            "saltpeter_config: {logdir: /one, api_ws_port: 1, local_machines: [a, b]}\nsaltpeter_maintenance: {global: true, machines: [m1]}\n",
        ),
        (
            "20.yaml",
            "saltpeter_config:\n  logdir: /two\n  elasticsearch: http://es:9200\nsaltpeter_maintenance: {global: false}\n",
        ),
    ]);
    assert_eq!(problems(&set), "");
    assert_eq!(set.settings.logdir, "/two");
    assert_eq!(set.settings.api_ws_port, 1);
    assert_eq!(set.settings.local_machines.len(), 2);
    assert!(!set.maintenance.global);
    assert_eq!(set.maintenance.machines.len(), 1);
    assert_eq!(set.maintenance_file(), "20.yaml");
    assert!(set.jobs.is_empty());
}

#[test]
fn local_machines_may_have_grains() {
    let set = load(&[(
        "a.yaml",
        "saltpeter_config:\n  executor: local\n  local_machines:\n    web1: {os: Debian, roles: [a, b], release: 22.10, cpus: 4, up: true}\n    web2:\n",
    )]);
    assert_eq!(problems(&set), "");
    let grains = serde_json::to_string(&set.settings.local_machines).unwrap();
    assert_eq!(
        grains,
        r#"{"web1":{"cpus":4,"os":"Debian","release":"22.10","roles":["a","b"],"up":true},"web2":{}}"#
    );
}

#[test]
fn a_provider_is_asked_when_it_is_said_whole() {
    let with = |value: &str| {
        let text = format!("saltpeter_config:\n  oidc: {value}\n");
        let set = load(&[("s.yaml", &text)]);
        let errors: Vec<String> = problems(&set)
            .lines()
            .filter(|line| line.contains(": error: "))
            .map(str::to_owned)
            .collect();
        (set.settings.oidc.clone(), errors.join("\n"))
    };
    let base = "issuer: https://sso.example/r, client_id: sp, url: https://sp.example/";
    let (provider, errors) = with(&format!(
        "{{{base}, client_secret: {{file: /run/oidc}}, roles: [{{group: dba, role: operator, groups: [db]}}, {{role: viewer}}]}}"
    ));
    let provider = provider.unwrap();
    assert_eq!(errors, "");
    assert_eq!(
        provider.redirect_uri(),
        "https://sp.example/login/oidc/callback"
    );
    let rules: Vec<String> = provider.roles.iter().map(ToString::to_string).collect();
    assert_eq!(rules, ["dba: operator of db", "everybody: viewer"]);
    let all = format!("{base}, roles: [{{role: viewer}}]");
    let mut said = Vec::new();
    for value in [
        "sso.example".to_owned(),
        "{}".to_owned(),
        format!("{{{base}}}"),
        format!("{{{base}, roles: []}}"),
        format!("{{{base}, roles: [viewer]}}"),
        format!("{{{base}, roles: [{{group: a}}]}}"),
        format!("{{{base}, roles: [{{grop: a, role: admin}}]}}"),
        format!("{{{base}, roles: [{{group: a, role: root}}]}}"),
        format!("{{{base}, roles: [{{group: a, role: operator, groups: []}}]}}"),
        format!("{{{base}, roles: [{{group: a, role: viewer, groups: [db]}}]}}"),
        format!("{{{all}, client_secret: hunter2-hunter2}}"),
        format!("{{{all}, secret: x}}"),
        format!("{{{all}, name: {}}}", "x".repeat(41)),
        format!("{{{all}, scopes: ['a b']}}"),
        all.replace("https://sso.example/r", "http://sso.example/r"),
        all.replace("https://sso.example/r", "https://a@b"),
        all.replace("https://sso.example/r", "https://sso.example/?x"),
        all.replace("https://sp.example/", "http://127.0.0.1.evil.example"),
    ] {
        let value = if value.starts_with("issuer") {
            format!("{{{value}}}")
        } else {
            value
        };
        let (provider, errors) = with(&value);
        assert_eq!(provider, None, "{value}");
        assert!(!errors.contains("hunter2"), "{errors}");
        said.push(format!("{value}\n  {errors}"));
    }
    insta::assert_snapshot!(said.join("\n"));
    for local in [
        "http://localhost:8080",
        "'http://[::1]:1/x'",
        "http://127.0.0.1",
    ] {
        let value = all.replace("https://sso.example/r", local);
        assert_eq!(with(&format!("{{{value}}}")).1, "", "{local}");
    }
}

#[test]
fn a_proxy_is_believed_when_it_is_said_which_and_by_what_header() {
    let with = |value: &str| {
        let text = format!("saltpeter_config:\n  auth_proxy: {value}\n");
        let set = load(&[("s.yaml", &text)]);
        let errors: Vec<String> = problems(&set)
            .lines()
            .filter(|line| line.contains(": error: "))
            .map(str::to_owned)
            .collect();
        (set.settings.auth_proxy.clone(), errors.join("\n"))
    };
    let (proxy, errors) = with("{from: [10.0.0.5, 'fd00::/8'], header: X-Remote-User}");
    let proxy = proxy.unwrap();
    assert_eq!(
        (proxy.header.as_str(), errors.as_str()),
        ("x-remote-user", "")
    );
    let believed = |address: &str| {
        let address = address.parse().unwrap();
        proxy.from.iter().any(|network| network.contains(address))
    };
    assert!(believed("10.0.0.5") && believed("fd12::1"));
    assert!(!believed("10.0.0.6") && !believed("::ffff:10.0.0.5") && !believed("fe80::1"));
    for (value, said) in [
        ("yes", "expected a mapping"),
        ("{header: X-User}", "needs both `from`"),
        ("{from: [10.0.0.5]}", "needs both `from`"),
        ("{from: [], header: X-User}", "needs both `from`"),
        (
            "{from: [proxy], header: X-User}",
            "\"proxy\" is no IP address",
        ),
        ("{from: [10.0.0.0/33], header: X-User}", "is no IP address"),
        ("{from: [10.0.0.5], header: Cookie}", "cannot be the header"),
        (
            "{from: [10.0.0.5], header: 'X User'}",
            "cannot be the header",
        ),
        (
            "{from: [10.0.0.5], header: X-User, form: 1}",
            "no key \"form\"",
        ),
    ] {
        let (_, errors) = with(value);
        assert!(errors.contains(said), "{value}: {errors}");
    }
}

/// Thirty lines that stand for a thousand million values.
fn alias_bomb() -> String {
    (1..30).fold("'.0': &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}'.{n}': &a{n} [*a{0}, *a{0}]\n", n - 1)
    })
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

/// Every kind of wrong input with the messages for it. The snapshot is what operators read.
#[test]
fn messages_say_where_what_and_how_to_mend_it() {
    let bad_fields = "a:\n  sec: 60\n  min: '5,61'\n  hour: 25\n  dom: 31-1\n  mon: foo\n  dow: L\n  year: 1969\n  command: x\n  targets: '*'\n";
    let cases: &[(&str, &str)] = &[
        ("not a mapping", "- a\n- b\n"),
        ("a text", "hello\n"),
        ("broken flow", "a: [1\nb: 2\n"),
        ("broken quotes", "a: 'x\n"),
        ("tab", "a:\n\tb: 1\n"),
        (
            "merge",
            "a:\n  <<: x\n  command: x\n  targets: '*'\n  schedule: '@daily'\n",
        ),
        ("alias bomb", &alias_bomb()),
        ("unquoted step", "a:\n  min: */5\n"),
        ("unquoted star", "a:\n  command: x\n  targets: *\n"),
        ("unquoted glob", "a:\n  command: x\n  targets: *web\n"),
        (
            "tag",
            "a:\n  command: !run x\n  targets: y\n  schedule: '@daily'\n",
        ),
        ("two documents", "a: 1\n---\nb: 2\n"),
        (
            "unquoted alias",
            "a:\n  schedule: @daily\n  command: x\n  targets: '*'\n",
        ),
        ("list as key", "? [a]\n: 1\n"),
        ("deep", &"[".repeat(100)),
        ("duplicate job", &format!("{GOOD}{GOOD}")),
        (
            "duplicate key",
            &job("a", "  timeout: 1\n  timeout: 2\n  env: {A: 1, A: 2}\n"),
        ),
        (
            "job names",
            &format!("{}{}", job("../x", ""), job("'a b'", "")),
        ),
        ("job is no mapping", "a: 5\nb: [1]\nc:\n"),
        ("cron fields", bad_fields),
        ("no fields", "a: {command: x, targets: '*'}\n"),
        ("some fields", "a: {min: 0, hour: 1, targets: '*'}\n"),
        ("all missing", "a: {user: me}\n"),
        ("schedule and fields", &job("a", "  min: 5\n  dow: 1\n")),
        (
            "schedule of 4 fields",
            "a:\n  schedule: 1 2 3 4\n  command: x\n  targets: '*'\n",
        ),
        (
            "schedule with a wrong field",
            "a:\n  schedule: '0 24 * * mon-fry'\n  command: x\n  targets: '*'\n",
        ),
        (
            "unknown alias",
            "a:\n  schedule: '@fortnightly'\n  command: x\n  targets: '*'\n",
        ),
        (
            "impossible date",
            "a:\n  schedule: 0 0 30 2 *\n  command: x\n  targets: '*'\n",
        ),
        (
            "past date",
            "a:\n  schedule: 0 0 0 1 1 * 2020\n  command: x\n  targets: '*'\n",
        ),
        ("zones", &job("a", "  timezone: Europe/Berln\n")),
        (
            "utc and zone",
            &job("a", "  utc: true\n  timezone: Europe/Berlin\n"),
        ),
        (
            "wrong types",
            &job(
                "a",
                "  timeout: soon\n  batch_size: -1\n  use_wrapper: 7\n  cwd: [x]\n  env: [A=1]\n  wrapper_loglevel: loud\n  user: ''\n  number_of_targets: 1.5\n",
            ),
        ),
        (
            "timeouts",
            &format!(
                "{}{}",
                job("a", "  timeout: 10\n  hard_timeout: 10\n"),
                job("b", "  timeout: 10\n  soft_timeout: 10\n")
            ),
        ),
        (
            "rolling and retries",
            &format!(
                "{}{}{}",
                job(
                    "a",
                    "  max_failures: some\n  retries: 101\n  retry_delay: 0\n  retry_backoff: linear\n"
                ),
                job(
                    "b",
                    "  max_failures: 120 %\n  batch_size: 2\n  retries: -1\n"
                ),
                job(
                    "c",
                    "  max_failures: 2\n  retry_delay: 5\n  retry_backoff: fixed\n"
                )
            ),
        ),
        (
            "overlap",
            &format!(
                "{}{}{}",
                job("a", "  allow_overlap: true\n"),
                job(
                    "b",
                    "  overlap: queue\n  allow_overlap: i know what i am doing!\n"
                ),
                job("c", "  overlap: sometimes\n")
            ),
        ),
        (
            "targets",
            "a:\n  schedule: '@daily'\n  command: x\n  targets: G@os:Debian nd web*\n  target_type: compound\n",
        ),
        (
            "target list",
            "a:\n  schedule: '@daily'\n  command: x\n  targets: [a]\n  target_type: pcre\n",
        ),
        ("target type", &job("a", "  target_type: regex\n")),
        ("env names", &job("a", "  env: {'A=B': 1, '': 2, C: [1]}\n")),
        ("nul", &job("a", "  cwd: \"a\\0b\"\n")),
        (
            "unknown keys",
            &job("a", "  comand: x\n  owner: marin\n  wraper_path: y\n"),
        ),
        (
            "settings",
            "saltpeter_config:\n  api_ws_port: 70000\n  api_ws_bind_addr: here\n  executor: salt\n  timezone: Mars\n  elasticsearch: ftp://es\n  local_machines: [a, a, 'b c']\n  log_dir: /x\n",
        ),
        ("settings are no mapping", "saltpeter_config: 5\n"),
        (
            "local without machines",
            "saltpeter_config: {executor: local}\n",
        ),
        (
            "salt-api without an address",
            "saltpeter_config:\n  salt_api_user: anna\n  executor: salt-api\n",
        ),
        (
            "half a certificate",
            "saltpeter_config:\n  tls_cert: /etc/ssl/sp.pem\n  machines_tls_key: /etc/ssl/sp.key\n  machines_ws_plaintext: maybe\n",
        ),
        (
            "wrappers that speak no TLS",
            "a: {schedule: '@daily', command: x, targets: '*', wrapper_protocol: 1}\nb: {schedule: '@daily', command: x, targets: '*', wrapper_path: /opt/sp_wrapper.py}\nc: {schedule: '@daily', command: x, targets: '*', wrapper_path: /opt/sp_wrapper.py, wrapper_protocol: 2}\nd: {schedule: '@daily', command: x, targets: '*', wrapper_protocol: 1, use_wrapper: false}\nsaltpeter_config: {default_wrapper_path: /usr/local/bin/sp_wrapper.py}\n",
        ),
        (
            "wrappers that need not speak TLS",
            "saltpeter_config: {machines_ws_plaintext: allow}\na: {schedule: '@daily', command: x, targets: '*', wrapper_protocol: 1}\n",
        ),
        (
            "where Salt is",
            "saltpeter_config:\n  salt_api_url: https://anna:secret@salt:8000\n  salt_command: ''\n",
        ),
        (
            "maintenance",
            "saltpeter_maintenance:\n  global: maybe\n  machines: web1\n  until: tomorrow\n  machine: [x]\n",
        ),
    ];
    let mut report = String::new();
    for (title, text) in cases {
        let set = load(&[("x.yaml", text)]);
        let _ = writeln!(report, "# {title}\n{}", problems(&set));
    }
    insta::assert_snapshot!(report);
}

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
