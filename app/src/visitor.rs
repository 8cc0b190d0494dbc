//! Whom a page is made for: written into its document by the server, and read there by the style sheet and by this code. What
//! somebody may not do is not offered to them. That is a kindness: the server asks all the same when it is done.

/// Whom a document is made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visitor {
    /// Their role, or `anybody` where nobody needs to log in.
    pub role: &'static str,
    /// The groups whose jobs they may run, for an operator who may not run all.
    pub groups: Option<Vec<String>>,
    /// A style of its own, for what this visitor may not use.
    pub hidden: String,
}

impl Visitor {
    /// The groups as the document has them.
    pub(crate) fn groups_attribute(&self) -> Option<String> {
        let groups = self.groups.as_ref()?;
        // Names can always be written.
        Some(serde_json::to_string(groups).unwrap_or_default())
    }
}

/// What whoever looks at the page may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct May {
    /// Edit jobs.
    pub(crate) administer: bool,
    operate: Operate,
}

/// Whose jobs somebody may run, kill and pause.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operate {
    Nothing,
    Groups(Vec<String>),
    Everything,
}

impl May {
    /// By what the document says of its visitor.
    pub(crate) fn read(role: Option<&str>, groups: Option<&str>) -> Self {
        let operate = match (role, groups) {
            (Some("viewer"), _) => Operate::Nothing,
            // What cannot be read grants nothing.
            (Some("operator"), Some(names)) => {
                Operate::Groups(serde_json::from_str(names).unwrap_or_default())
            }
            _ => Operate::Everything,
        };
        Self {
            administer: !matches!(role, Some("viewer" | "operator")),
            operate,
        }
    }

    /// Whether they may run, kill and pause the jobs of `group`.
    pub(crate) fn operate(&self, group: &str) -> bool {
        match &self.operate {
            Operate::Nothing => false,
            Operate::Groups(names) => names.iter().any(|name| name == group),
            Operate::Everything => true,
        }
    }

    /// Whether they may do what is about every group, as global maintenance is.
    pub(crate) fn operate_all(&self) -> bool {
        self.operate == Operate::Everything
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_says_is_what_is_offered() {
        let of = |groups: &[&str]| {
            let visitor = Visitor {
                role: "operator",
                groups: Some(groups.iter().map(|&name| name.to_owned()).collect()),
                ..Visitor::default()
            };
            let written = visitor.groups_attribute();
            May::read(Some(visitor.role), written.as_deref())
        };
        let some = of(&["db", "\"]>"]);
        assert!(some.operate("db") && some.operate("\"]>"));
        assert!(!some.operate("web") && !some.operate_all() && !some.administer);
        for (role, all, administers) in [
            ("viewer", false, false),
            ("operator", true, false),
            ("admin", true, true),
            ("anybody", true, true),
        ] {
            let may = May::read(Some(role), None);
            assert_eq!(
                (may.operate("db"), may.operate_all(), may.administer),
                (all, all, administers),
                "{role}"
            );
        }
        assert!(!May::read(Some("operator"), Some("db")).operate("db"));
    }
}
