//! The settings, and the other special keys.

use super::{load, problems};
use saltpeter_domain::config::Settings;
use std::sync::Arc;

/// The settings with this `key`, and the errors that are told of it.
fn with(key: &str, value: &str) -> (Arc<Settings>, String) {
    let text = format!("saltpeter_config:\n  {key}: {value}\n");
    let set = load(&[("s.yaml", &text)]);
    let told = problems(&set);
    let errors: Vec<&str> = told
        .lines()
        .filter(|line| line.contains(": error: "))
        .collect();
    (set.settings, errors.join("\n"))
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
        let (settings, errors) = with("oidc", value);
        (settings.oidc.clone(), errors)
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
        let (settings, errors) = with("auth_proxy", value);
        (settings.auth_proxy.clone(), errors)
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
