//! What names have in common, so that where there is no room for all of each, what tells them apart is still there.

/// Where names of a fleet are cut: `web-01.eu.example.com`.
const SEPARATORS: [u8; 3] = *b".-_";

/// What all of several names begin with and end in, in bytes: whole parts of them, and never all of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Common {
    prefix: usize,
    suffix: usize,
    /// Characters of the longest.
    pub(crate) longest: usize,
}

impl Common {
    pub(crate) fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> Self {
        let Some(first) = names.next() else {
            return Self::default();
        };
        let mut common = Self {
            prefix: first.len(),
            suffix: first.len(),
            longest: first.chars().count(),
        };
        let mut shortest = first.len();
        for name in names {
            common.longest = common.longest.max(name.chars().count());
            shortest = shortest.min(name.len());
            let (a, b) = (first.bytes(), name.bytes());
            let alike = |pairs: &mut dyn Iterator<Item = (u8, u8)>| {
                pairs.take_while(|(a, b)| a == b).count()
            };
            common.prefix = common.prefix.min(alike(&mut a.clone().zip(b.clone())));
            common.suffix = common.suffix.min(alike(&mut a.rev().zip(b.rev())));
        }
        // Something is left of the shortest, and what is cut off ends at, or begins with, a separator.
        let bytes = first.as_bytes();
        let most = common.prefix.min(shortest.saturating_sub(1));
        let is_separator = |at: &usize| bytes.get(*at).is_some_and(|b| SEPARATORS.contains(b));
        common.prefix = (0..most).rev().find(is_separator).map_or(0, |at| at + 1);
        let most = common
            .suffix
            .min(shortest - common.prefix - usize::from(shortest > 0));
        let from = (first.len() - most..first.len()).find(is_separator);
        common.suffix = from.map_or(0, |at| first.len() - at);
        common
    }

    /// The name in three: what all begin with, what tells it from the others, what all end in.
    pub(crate) fn parts(self, name: &str) -> (&str, &str, &str) {
        let middle = name.len().checked_sub(self.suffix);
        let parts = middle.and_then(|middle| {
            let (rest, suffix) = name.split_at_checked(middle)?;
            let (prefix, middle) = rest.split_at_checked(self.prefix)?;
            Some((prefix, middle, suffix))
        });
        parts.unwrap_or(("", name, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(names: &[&'a str]) -> Vec<(&'a str, &'a str, &'a str)> {
        let common = Common::of(names.iter().copied());
        names.iter().map(|name| common.parts(name)).collect()
    }

    #[test]
    fn what_all_have_in_common_is_told_from_what_one_has() {
        assert_eq!(
            parts(&["prod-web-01.eu.example.com", "prod-db-1.eu.example.com"]),
            [
                ("prod-", "web-01", ".eu.example.com"),
                ("prod-", "db-1", ".eu.example.com")
            ]
        );
        // Digits are of what tells them apart.
        assert_eq!(parts(&["web-101", "web-102"])[1], ("web-", "102", ""));
        assert_eq!(parts(&["web1", "web2"])[0], ("", "web1", ""));
    }

    #[test]
    fn something_is_always_left() {
        assert_eq!(
            parts(&["a.x", "a.x.x"]),
            [("a.", "x", ""), ("a.", "x.x", "")]
        );
        assert_eq!(parts(&["a-", "a-b"]), [("", "a-", ""), ("", "a-b", "")]);
        assert_eq!(parts(&["-é-x", "-è-x"])[0], ("-", "é", "-x"));
        assert_eq!(parts(&["only.one"])[0].1, "one");
        assert!(parts(&[]).is_empty());
        // A name that was not among them.
        assert_eq!(
            Common::of(["a-b.c", "a-d.c"].into_iter()).parts("é"),
            ("", "é", "")
        );
    }

    #[test]
    fn the_longest_is_counted_in_characters() {
        assert_eq!(Common::of(["éé", "a"].into_iter()).longest, 2);
    }
}
