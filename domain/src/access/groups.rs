//! Groups of jobs, as they are granted.

use std::collections::BTreeSet;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
