//! Target expressions. The first byte chooses how the rest is read.
//!
//! Errors point into the text. What is read is written as something that reads the same, and says of each machine one thing: whoever
//! is taken matches, `not` turns it round, and the machines that are selected are those that match.

use saltpeter_domain::Maintenance;
use saltpeter_domain::config::Grains;
use saltpeter_domain::targeting::{TargetExpr, TargetType, Verdict};
use saltpeter_protocol::{MachineId, UnixMillis};
use std::sync::LazyLock;

const TYPES: [TargetType; 9] = [
    TargetType::Glob,
    TargetType::Pcre,
    TargetType::List,
    TargetType::Grain,
    TargetType::GrainPcre,
    TargetType::Pillar,
    TargetType::Nodegroup,
    TargetType::IpCidr,
    TargetType::Compound,
];

static MACHINES: LazyLock<Vec<(MachineId, Grains)>> = LazyLock::new(|| {
    let machines = [
        (
            "web1",
            r#"{"os": "Debian", "roles": ["web", "db"], "ipv4": ["10.0.0.1"]}"#,
        ),
        (
            "web2.example.org",
            r#"{"os": "Alpine", "a": {"b": {"c": true}}, "ipv6": ["fe80::1"]}"#,
        ),
        ("db[1]", r#"{"a:b": "x", "num": 7, "none": null}"#),
        ("ü", "{}"),
    ];
    machines
        .into_iter()
        .map(|(name, grains)| {
            let grains = serde_json::from_str(grains).unwrap_or_else(|error| panic!("{error}"));
            let name = MachineId::new(name).unwrap_or_else(|error| panic!("{error}"));
            (name, grains)
        })
        .collect()
});

/// One expression.
pub fn check(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let target_type = TYPES[usize::from(choice) % TYPES.len()];
    let expression = match TargetExpr::parse(target_type, text) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(error.offset <= text.chars().count(), "{error:?}");
            return;
        }
    };
    let written = serde_json::to_string(&expression).unwrap_or_default();
    let again: Result<TargetExpr, _> = serde_json::from_str(&written);
    assert!(again.is_ok_and(|again| again == expression), "{written}");

    let machines = || MACHINES.iter().map(|(id, grains)| (id, grains));
    let selected = expression.select(machines());
    assert_eq!(selected.is_ok(), expression.check_local().is_ok());
    let Ok(selected) = selected else {
        return;
    };
    let explained = expression.explain(machines(), &Maintenance::default(), UnixMillis(0));
    let Ok(explained) = explained else {
        panic!("{explained:?}");
    };
    for ((id, grains), (explained_id, verdict)) in machines().zip(explained) {
        let matches = expression.matches(id, grains) == Ok(true);
        assert_eq!(*id, explained_id);
        assert_eq!(selected.contains(id), matches);
        match verdict {
            Verdict::Taken => assert!(matches),
            Verdict::NotMatched { reason } => assert!(!matches && !reason.is_empty()),
            Verdict::Maintenance => panic!("nothing is under maintenance"),
        }
    }
    if target_type == TargetType::Compound
        && let Ok(turned) = TargetExpr::parse(target_type, &format!("not ( {text} )"))
    {
        for (id, grains) in machines() {
            assert_eq!(turned.matches(id, grains), Ok(!selected.contains(id)));
        }
    }
}
