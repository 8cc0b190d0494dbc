//! Who may do what: names of people, roles, and what each role allows.

mod groups;
pub mod guesses;
mod maintenance;
mod name;
pub mod oidc;
pub mod password;
mod role;
pub mod session;

pub use groups::Groups;
pub use name::{NameError, UserName};
pub use role::{Role, UnknownRole};

use saltpeter_protocol::api::{ApiError, ErrorCode};
use std::fmt;

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

    pub(super) fn access(role: Role, groups: &[&str]) -> Access {
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
}
