//! The lines that an edit changes.

use crate::ops::config_file::diff;
use saltpeter_protocol::api::DiffLine;

/// Lines around a change that its diff shows.
const AROUND: usize = 3;

/// The lines that differ, with a few around them.
pub(super) fn excerpt(before: &str, after: &str) -> Vec<DiffLine> {
    let (old, new): (Vec<&str>, Vec<&str>) = (
        before.split_inclusive('\n').collect(),
        after.split_inclusive('\n').collect(),
    );
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let first = same(&mut old.iter().zip(&new));
    if first == old.len() && first == new.len() {
        return Vec::new();
    }
    let shorter = old.len().min(new.len()) - first;
    let last = same(&mut old.iter().rev().zip(new.iter().rev())).min(shorter);
    let first = first.saturating_sub(AROUND);
    let last = last.saturating_sub(AROUND);
    diff(
        &old[first..old.len() - last].concat(),
        &new[first..new.len() - last].concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_of_what_changes_and_a_little_around_it() {
        let before = (0..50)
            .map(|n| format!("{n}\n"))
            .collect::<Vec<_>>()
            .concat();
        let shown = |after: &str| -> Vec<String> {
            let lines = excerpt(&before, after).into_iter();
            lines.map(|line| line.text).collect()
        };
        assert_eq!(
            shown(&before.replace("\n20\n", "\nx\n")),
            ["17", "18", "19", "20", "x", "21", "22", "23"]
        );
        assert_eq!(shown(&format!("{before}x\n")), ["47", "48", "49", "x"]);
        assert_eq!(
            shown(&before.replace("\n20\n21\n", "\n")),
            ["17", "18", "19", "20", "21", "22", "23", "24"]
        );
        assert!(shown(&before).is_empty());
        assert_eq!(excerpt("", "x\n").len(), 1);
    }
}
