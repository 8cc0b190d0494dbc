//! Who may do what: names of people, roles, and what each role allows.

pub mod guesses;
mod name;
pub mod oidc;
pub mod password;
pub mod session;

pub use name::{NameError, UserName};

use crate::maintenance::Maintenance;
use saltpeter_protocol::UnixMillis;
use saltpeter_protocol::api::{ApiError, ErrorCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// How much somebody may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Run, kill and pause jobs of the groups that are granted, and turn maintenance of these groups on and off.
    Operator,
    /// Everything, users and tokens included.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}; the roles are viewer, operator and admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The groups of jobs that an operator has to do with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Groups {
    /// Every group, also those that are yet to come.
    #[default]
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Groups {
    /// These groups; every group when none is named. Spaces around a name do not count.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::trim);
        let names: BTreeSet<String> = names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            Self::All
        } else {
            Self::Only(names)
        }
    }

    /// Whether `group` is one of them.
    pub fn contain(&self, group: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(group),
        }
    }

    /// Whether each of these is one of `others`.
    pub fn are_within(&self, others: &Self) -> bool {
        match (self, others) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(these), Self::Only(others)) => these.is_subset(others),
        }
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all groups"),
            Self::Only(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The role.
    pub role: Role,
    /// The groups that the role of an operator is about. An admin's is about all.
    pub groups: Groups,
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Run, kill or pause a job of this group.
    Operate {
        /// The group.
        group: &'a str,
    },
    /// Change what jobs of every group feel, such as maintenance.
    OperateAll,
    /// See to users and tokens, and change jobs.
    Administer,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The role is too small.
    #[error("this takes the role {needed}, and yours is {has}; an admin can change that")]
    Role {
        /// The least role that may.
        needed: Role,
        /// The role at hand.
        has: Role,
    },
    /// The role is right, and the group is not granted.
    #[error("you may run, kill and pause jobs of {granted}, and this one is of the group {group}")]
    Group {
        /// The group it is about.
        group: String,
        /// Those that are granted.
        granted: Groups,
    },
    /// An edit of maintenance goes beyond the groups that are granted.
    #[error(
        "you may turn maintenance of {granted} on and off and change nothing else of it, and this changes {what}"
    )]
    Maintenance {
        /// What it changes beyond them.
        what: String,
        /// Those that are granted.
        granted: Groups,
    },
    /// It is about all groups, and not all are granted.
    #[error("this concerns jobs of every group, and you may see to those of {granted} alone")]
    EveryGroup {
        /// Those that are granted.
        granted: Groups,
    },
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        Self::new(ErrorCode::Forbidden, denial.to_string())
    }
}

impl Access {
    /// Everything.
    pub const EVERYTHING: Self = Self {
        role: Role::Admin,
        groups: Groups::All,
    };

    /// Whether `deed` is allowed; an error says why not.
    pub fn may(&self, deed: Deed<'_>) -> Result<(), Denial> {
        let needed = match deed {
            Deed::Operate { .. } | Deed::OperateAll => Role::Operator,
            Deed::Administer => Role::Admin,
        };
        if self.role < needed {
            let has = self.role;
            return Err(Denial::Role { needed, has });
        }
        if self.role == Role::Admin {
            return Ok(());
        }
        let granted = || self.groups.clone();
        match deed {
            Deed::Operate { group } if !self.groups.contain(group) => Err(Denial::Group {
                group: group.to_owned(),
                granted: granted(),
            }),
            Deed::OperateAll if self.groups != Groups::All => {
                Err(Denial::EveryGroup { granted: granted() })
            }
            Deed::Operate { .. } | Deed::OperateAll | Deed::Administer => Ok(()),
        }
    }
}

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

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Operator => write!(f, "operator of {}", self.groups),
            role => role.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use saltpeter_protocol::MachineId;

    fn access(role: Role, groups: &[&str]) -> Access {
        Access {
            role,
            groups: Groups::of(groups.iter().copied()),
        }
    }

    #[test]
    fn each_role_may_what_it_may_and_nothing_more() {
        let db = Deed::Operate { group: "db" };
        let deeds = [db, Deed::OperateAll, Deed::Administer];
        let may = |access: &Access| deeds.map(|deed| access.may(deed).is_ok());
        for (access, expected) in [
            (access(Role::Viewer, &[]), [false, false, false]),
            (access(Role::Viewer, &["db"]), [false, false, false]),
            (access(Role::Operator, &[]), [true, true, false]),
            (access(Role::Operator, &["db"]), [true, false, false]),
            (access(Role::Operator, &["web"]), [false, false, false]),
            (access(Role::Admin, &[]), [true, true, true]),
            (access(Role::Admin, &["web"]), [true, true, true]),
        ] {
            assert_eq!(may(&access), expected, "{access}");
        }
    }

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

    #[test]
    fn a_denial_says_what_is_lacking() {
        let denied = |access: Access, deed| access.may(deed).unwrap_err().to_string();
        let operator = || access(Role::Operator, &["web", "db"]);
        let sentences = [
            denied(access(Role::Viewer, &[]), Deed::Operate { group: "db" }),
            denied(operator(), Deed::Operate { group: "mail" }),
            denied(operator(), Deed::OperateAll),
            denied(operator(), Deed::Administer),
        ];
        insta::assert_snapshot!(sentences.join("\n"), @r"
        this takes the role operator, and yours is viewer; an admin can change that
        you may run, kill and pause jobs of db, web, and this one is of the group mail
        this concerns jobs of every group, and you may see to those of db, web alone
        this takes the role admin, and yours is operator; an admin can change that
        ");
    }

    #[test]
    fn groups_are_within_others() {
        let all = Groups::All;
        let web = Groups::of(["web"]);
        let both = Groups::of(["web", " db "]);
        assert!(web.are_within(&both) && both.are_within(&all) && all.are_within(&all));
        assert!(!both.are_within(&web) && !all.are_within(&both));
        assert_eq!(Groups::of(["", " "]), Groups::All);
    }
}
