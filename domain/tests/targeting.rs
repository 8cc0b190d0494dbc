//! Target expressions against a small fleet.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use saltpeter_domain::Maintenance;
use saltpeter_domain::config::Grains;
use saltpeter_domain::targeting::{TargetExpr, TargetType, Verdict};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::collections::BTreeMap;

fn fleet() -> BTreeMap<MachineId, Grains> {
    let machines = serde_json::json!({
        "web1": {"os": "Debian", "roles": ["webserver", "cache"], "ipv4": ["127.0.0.1", "10.1.0.1"], "virtual": true},
        "web2": {"os": "Debian", "roles": ["webserver"], "ipv4": ["10.1.0.2"], "dc": {"name": "fra", "room": 3}},
        "db1": {"os": "Ubuntu", "osrelease": "22.04", "roles": "db", "ipv4": ["10.2.0.1"], "dc": {"name": "ams"}},
        "db2.example": {"os": "FreeBSD", "a:b": "c:d", "num_cpus": 8},
        "bare": {},
    });
    let serde_json::Value::Object(machines) = machines else {
        panic!()
    };
    machines
        .into_iter()
        .map(|(name, grains)| {
            let serde_json::Value::Object(grains) = grains else {
                panic!()
            };
            (MachineId::new(name).unwrap(), grains)
        })
        .collect()
}

fn selected(target_type: TargetType, text: &str) -> String {
    let expr = match TargetExpr::parse(target_type, text) {
        Ok(expr) => expr,
        Err(error) => return format!("{}: {}", error.offset, error.message),
    };
    match expr.select(&fleet()) {
        Ok(ids) => ids
            .iter()
            .map(MachineId::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_kind_selects_as_salt_does() {
    use TargetType::{Compound, Glob, Grain, GrainPcre, IpCidr, List, Pcre};
    for (target_type, text, expected) in [
        (Glob, "*", "bare db1 db2.example web1 web2"),
        (Glob, "web[12]", "web1 web2"),
        (Glob, "db?", "db1"),
        // From the beginning, and not to the end.
        (Pcre, "db", "db1 db2.example"),
        (Pcre, "b1", ""),
        (Pcre, r"web\d$|bare", "bare web1 web2"),
        (List, "web1, db1,nobody", "db1 web1"),
        (Grain, "os:Debian", "web1 web2"),
        (Grain, "os:*BSD", "db2.example"),
        (Grain, "roles:webserver", "web1 web2"),
        (Grain, "roles:d*", "db1"),
        (Grain, "dc:name:fra", "web2"),
        (Grain, "dc:room:3", "web2"),
        (Grain, "dc:name", "db1 web2"),
        (Grain, "a:b:c:d", "db2.example"),
        (Grain, "virtual:True", "web1"),
        (Grain, "num_cpus:8", "db2.example"),
        (Grain, "os:debian", ""),
        (GrainPcre, "os:(Deb|Ubu)", "db1 web1 web2"),
        (GrainPcre, "osrelease:22", "db1"),
        (IpCidr, "10.1.0.0/16", "web1 web2"),
        (IpCidr, "10.2.0.1", "db1"),
        (IpCidr, "0.0.0.0/0", "db1 web1 web2"),
        (Compound, "G@os:Debian and not L@web2", "web1"),
        (Compound, "web1 or G@os:Ubuntu and not db*", "web1"),
        (Compound, "( web1 or G@os:Ubuntu ) and not db*", "web1"),
        (Compound, "not ( web* or db* )", "bare"),
        (Compound, r"E@(web|db)\d$ or bare", "bare db1 web1 web2"),
        (Compound, "S@10.1.0.0/16 and P@roles:cache", "web1"),
    ] {
        assert_eq!(
            selected(target_type, text),
            expected,
            "{target_type:?} {text}"
        );
    }
}

#[test]
fn errors_say_where_and_what() {
    use TargetType::{Compound, Glob, Grain, GrainPcre, IpCidr, List, Nodegroup, Pcre, Pillar};
    let deep = "( ".repeat(1000);
    let divided = "a:".repeat(100_000);
    let cases = [
        (Glob, " "),
        (Pcre, "web("),
        (Pcre, "a)(b"),
        (Pcre, "(?=x)"),
        (Grain, "os"),
        (GrainPcre, &divided),
        (List, "a,,b"),
        (IpCidr, "10.0.0.0/40"),
        (Compound, "web* and"),
        (Compound, "web* db*"),
        (Compound, "web* and ( db* or x"),
        (Compound, "web* )"),
        (Compound, "(web* or db*)"),
        (Compound, "web* and X@foo"),
        (Compound, "or web*"),
        (Compound, "web* and E@["),
        (Compound, &deep),
        (Pillar, "role:db"),
        (Nodegroup, "group1"),
        (Compound, "web* or N@group1"),
    ];
    let lines = cases.map(|(target_type, text)| {
        let shown: String = text.chars().take(40).collect();
        format!(
            "{} {shown:?}\n  {}",
            target_type.as_str(),
            selected(target_type, text)
        )
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_exclusion_has_its_reason() {
    let expr = TargetExpr::parse(TargetType::Compound, "G@os:Debian and not web2 or db1").unwrap();
    let maintenance = Maintenance {
        machines: [MachineId::new("db1").unwrap()].into(),
        ..Maintenance::default()
    };
    let lines: Vec<String> = expr
        .explain(&fleet(), &maintenance, UnixMillis(0))
        .unwrap()
        .into_iter()
        .map(|(id, verdict)| match verdict {
            Verdict::Taken => format!("{id}: taken"),
            Verdict::Maintenance => format!("{id}: maintenance"),
            Verdict::NotMatched { reason } => format!("{id}: {reason}"),
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_expression_survives_the_store() {
    let expr = TargetExpr::parse(TargetType::GrainPcre, "os:(Deb|Ubu)").unwrap();
    let text = serde_json::to_string(&expr).unwrap();
    assert_eq!(
        text,
        r#"{"target_type":"grain_pcre","text":"os:(Deb|Ubu)"}"#
    );
    assert_eq!(serde_json::from_str::<TargetExpr>(&text).unwrap(), expr);
}
