//! What is said of every kind of wrong input. The snapshot is what operators read.

use super::{GOOD, job, load, problems};
use std::fmt::Write as _;

/// Thirty lines that stand for a thousand million values.
fn alias_bomb() -> String {
    (1..30).fold("'.0': &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}'.{n}': &a{n} [*a{0}, *a{0}]\n", n - 1)
    })
}

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
        (
            "maintenance of no group",
            "saltpeter_maintenance:\n  groups: [x, z, database]\n",
        ),
        (
            "without Salt",
            "saltpeter_config: {executor: local, local_machines: [web1]}\na: {schedule: '@daily', command: x, targets: '*', use_wrapper: false}\n",
        ),
    ];
    let mut report = String::new();
    for (title, text) in cases {
        let set = load(&[("x.yaml", text)]);
        let _ = writeln!(report, "# {title}\n{}", problems(&set));
    }
    insta::assert_snapshot!(report);
}
