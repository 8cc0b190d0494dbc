//! Who may change what of maintenance.

use super::{Access, Deed, Denial, Role};
use crate::maintenance::Maintenance;
use saltpeter_protocol::UnixMillis;
use std::collections::BTreeSet;

impl Access {
    /// Whether maintenance may be changed from `before` to `after`, both as they are in force. Who sees to some groups may
    /// change it for these, and the reason and the end as long as they are of theirs alone.
    pub fn may_maintain(&self, before: &Maintenance, after: &Maintenance) -> Result<(), Denial> {
        if self.role < Role::Operator || self.may(Deed::OperateAll).is_ok() {
            return self.may(Deed::OperateAll);
        }
        let others = |groups: BTreeSet<String>| -> Vec<String> {
            let mut groups: Vec<String> = groups.into_iter().collect();
            groups.retain(|group| !self.groups.contain(group));
            groups
        };
        let mut what = Vec::new();
        if before.global != after.global {
            what.push("global maintenance".to_owned());
        }
        if before.machines != after.machines {
            what.push("maintenance of machines".to_owned());
        }
        let changed = others(&before.groups ^ &after.groups);
        if !changed.is_empty() {
            what.push(format!("maintenance of {}", changed.join(", ")));
        }
        // What is said of all that is under maintenance is somebody else's too as soon as something else is.
        let is_shared = before.global
            || !before.machines.is_empty()
            || !others(&before.groups | &after.groups).is_empty();
        let seconds = |of: &Maintenance| of.until.map(UnixMillis::seconds);
        if is_shared && before.reason != after.reason {
            what.push("the reason, which is not that of your groups alone".to_owned());
        }
        if is_shared && seconds(before) != seconds(after) {
            what.push("the end, which is not that of your groups alone".to_owned());
        }
        if what.is_empty() {
            return Ok(());
        }
        Err(Denial::Maintenance {
            what: what.join(", and "),
            granted: self.groups.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Groups;
    use crate::access::tests::access;
    use proptest::prelude::*;
    use saltpeter_protocol::MachineId;

    #[test]
    fn maintenance_of_ones_own_groups_is_ones_own() {
        let of = |groups: &[&str], reason: &str| Maintenance {
            groups: groups.iter().map(|&name| name.to_owned()).collect(),
            reason: Some(reason.to_owned()),
            ..Maintenance::default()
        };
        let global = Maintenance {
            global: true,
            ..of(&["db"], "a")
        };
        let machine = Maintenance {
            machines: [MachineId::new("web1").unwrap()].into(),
            ..of(&[], "a")
        };
        let none = Maintenance::default;
        let operator = access(Role::Operator, &["db", "web"]);
        for (before, after, may) in [
            (none(), of(&["db"], "upgrade"), true),
            (of(&["db"], "a"), of(&["web"], "b"), true),
            (of(&["db"], "a"), of(&[], "a"), true),
            // Others' groups stay as they are, and so does what is said of them.
            (of(&["mail"], "a"), of(&["mail", "db"], "a"), true),
            (of(&["mail"], "a"), of(&["mail", "db"], "b"), false),
            (of(&["mail"], "a"), of(&["db"], "a"), false),
            (none(), of(&["mail"], "a"), false),
            (of(&["db"], "a"), global.clone(), false),
            (global, of(&["db"], "a"), false),
            (of(&[], "a"), machine.clone(), false),
            (
                machine.clone(),
                Maintenance {
                    groups: ["db".to_owned()].into(),
                    ..machine
                },
                true,
            ),
        ] {
            assert_eq!(
                operator.may_maintain(&before, &after).is_ok(),
                may,
                "{before} to {after}"
            );
            assert!(
                access(Role::Operator, &[])
                    .may_maintain(&before, &after)
                    .is_ok()
            );
            assert!(
                access(Role::Admin, &["x"])
                    .may_maintain(&before, &after)
                    .is_ok()
            );
            assert!(
                access(Role::Viewer, &["db", "web"])
                    .may_maintain(&before, &after)
                    .is_err()
            );
        }
    }

    #[test]
    fn what_somebody_changes_beyond_their_groups_is_named() {
        let olga = access(Role::Operator, &["db", "mail"]);
        let none = Maintenance::default;
        let of = |groups: &[&str]| Maintenance {
            groups: groups.iter().map(|&name| name.to_owned()).collect(),
            ..none()
        };
        let global = Maintenance {
            global: true,
            ..none()
        };
        let machine = Maintenance {
            machines: [MachineId::new("web1").unwrap()].into(),
            ..none()
        };
        let ends = |of: &Maintenance| Maintenance {
            until: Some(UnixMillis(60_000)),
            ..of.clone()
        };
        assert_eq!(olga.may_maintain(&of(&["db"]), &ends(&of(&["db"]))), Ok(()));
        let sentences = [
            (none(), global.clone()),
            (none(), machine.clone()),
            (of(&["db"]), of(&["web", "www"])),
            // To have it end in a minute is to end it.
            (global.clone(), ends(&global)),
            (ends(&of(&["web"])), of(&["db", "web"])),
            (
                machine.clone(),
                Maintenance {
                    reason: Some("all is well".to_owned()),
                    ..machine
                },
            ),
        ]
        .map(|(before, after)| olga.may_maintain(&before, &after).unwrap_err().to_string());
        insta::assert_snapshot!(sentences.join("\n"), @r"
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes global maintenance
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes maintenance of machines
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes maintenance of web, www
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes the end, which is not that of your groups alone
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes the end, which is not that of your groups alone
        you may turn maintenance of db, mail on and off and change nothing else of it, and this changes the reason, which is not that of your groups alone
        ");
    }

    prop_compose! {
        fn maintenance()(
            global in prop::bool::weighted(0.2), groups in prop::collection::btree_set("[a-c]", 0..3),
            has_machine in prop::bool::weighted(0.2), reason in prop::option::of("[r-s]"),
            until in prop::option::weighted(0.2, Just(UnixMillis(3_000))),
        ) -> Maintenance {
            let machines = has_machine.then(|| MachineId::new("m").unwrap()).into_iter().collect();
            Maintenance { global, groups, machines, reason, until, ..Maintenance::default() }
        }
    }

    proptest! {
        // Most edits are refused.
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever an operator of some groups is let do to maintenance, now and later a job of another group starts or stays as
        /// before, no machine is taken out or put back, and what is said of others is said still.
        #[test]
        fn other_groups_feel_nothing_of_what_is_allowed(
            before in maintenance(), after in maintenance(), granted in prop::collection::btree_set("[a-c]", 1..3),
        ) {
            let olga = Access { role: Role::Operator, groups: Groups::Only(granted.clone()) };
            if olga.may_maintain(&before, &after).is_err() {
                return Ok(());
            }
            let machine = MachineId::new("m").unwrap();
            let others = ["a", "b", "c", "d"].into_iter().filter(|group| !granted.contains(*group));
            for at in [0, 1_000, 3_000, 5_000].map(UnixMillis) {
                for group in others.clone() {
                    prop_assert_eq!(before.hold(group, at), after.hold(group, at));
                }
                prop_assert_eq!(before.covers(&machine, at), after.covers(&machine, at));
            }
            if before.global || !before.machines.is_empty() || others.clone().any(|group| before.groups.contains(group)) {
                prop_assert_eq!(before.reason, after.reason);
            }
        }
    }
}
