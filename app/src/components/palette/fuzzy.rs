//! How well a name goes with what somebody types.

/// Begins a word: after the start, and after a sign that parts words.
const WORD: u32 = 8;
/// Follows the letter found before.
const NEXT: u32 = 5;
/// Is found at all.
const FOUND: u32 = 1;

/// How well `text` goes with `query`, whose letters have to be in it in their order, whatever their case; `None` when they
/// are not. More is better: the whole text first, then beginnings, beginnings of words, and letters side by side.
pub(super) fn score(query: &str, text: &str) -> Option<u32> {
    let wanted = query.trim();
    if wanted.is_empty() {
        return Some(0);
    }
    if text.eq_ignore_ascii_case(wanted) {
        return Some(u32::MAX);
    }
    // The letters as they are first found are seldom the best; from the best beginning they are good enough.
    let starts = text.char_indices().map(|(at, _)| at);
    starts.filter_map(|at| from(wanted, text, at)).max()
}

/// The same with the first letter at the byte `start`.
fn from(wanted: &str, text: &str, start: usize) -> Option<u32> {
    let mut letters = wanted.chars().filter(|c| !c.is_whitespace());
    let mut letter = letters.next()?;
    let before = text.get(..start)?.chars().next_back();
    let mut parted = before.is_none_or(is_parting);
    let mut adjacent = false;
    let mut sum = if start == 0 { WORD } else { 0 };
    for (index, sign) in text.get(start..)?.chars().enumerate() {
        if same(sign, letter) {
            sum += FOUND + if parted { WORD } else { 0 } + if adjacent { NEXT } else { 0 };
            adjacent = true;
            let Some(next) = letters.next() else {
                // Of two that go equally well the shorter one is meant.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX).min(255);
                return Some(sum * 256 + 255 - length);
            };
            letter = next;
        } else if index == 0 {
            return None;
        } else {
            adjacent = false;
        }
        parted = is_parting(sign);
    }
    None
}

fn same(a: char, b: char) -> bool {
    a.eq_ignore_ascii_case(&b)
}

fn is_parting(sign: char) -> bool {
    matches!(sign, '_' | '-' | '.' | ' ' | '/' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(query: &str, texts: &[&str]) -> Vec<String> {
        let mut found: Vec<(u32, &str)> = texts
            .iter()
            .filter_map(|text| Some((score(query, text)?, *text)))
            .collect();
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.into_iter().map(|(_, text)| text.to_owned()).collect()
    }

    #[test]
    fn what_is_meant_comes_first() {
        let jobs = [
            "db_backup_full",
            "backup",
            "backup_db",
            "rebuild_dbs",
            "web",
        ];
        assert_eq!(
            order("backup", &jobs),
            ["backup", "backup_db", "db_backup_full"]
        );
        assert_eq!(order("bdb", &jobs)[0], "backup_db");
        assert_eq!(order("DBF", &jobs), ["db_backup_full"]);
        assert_eq!(order("db full", &jobs), ["db_backup_full"]);
        assert_eq!(order("xyz", &jobs), Vec::<String>::new());
        assert_eq!(order("bw", &jobs), Vec::<String>::new());
        assert_eq!(order("", &jobs).len(), jobs.len());
    }

    #[test]
    fn any_text_is_looked_at() {
        assert!(score("ß", "großß").is_some());
        assert_eq!(score("a", ""), None);
        assert!(score("é", "café").is_some());
    }
}
