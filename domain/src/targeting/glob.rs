//! Shell patterns as Salt reads them: `*`, `?`, `[abc]`, `[a-z]`, `[!a]`, and nothing else.

/// Whether `text` as a whole matches `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut pos) = (0, 0);
    // Where to go on when what follows the last `*` does not match here.
    let mut retry: Option<(usize, usize)> = None;
    while pos < text.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                retry = Some((at, pos));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => set(&pattern[at..], text[pos]),
            Some(&sign) => (sign == text[pos]).then_some(1),
            None => None,
        };
        match (step, retry) {
            (Some(width), _) => {
                at += width;
                pos += 1;
            }
            (None, Some((star, from))) => {
                retry = Some((star, from + 1));
                at = star + 1;
                pos = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|&sign| sign == '*')
}

/// Whether `sign` is in the set that `pattern` begins with, and how many characters the set takes. A `[` that no
/// `]` closes stands for itself.
fn set(pattern: &[char], sign: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'!');
    let first = if negated { 2 } else { 1 };
    // A `]` right at the beginning is a member.
    let Some(end) = (first + 1..pattern.len()).find(|&index| pattern[index] == ']') else {
        return (sign == '[').then_some(1);
    };
    let members = &pattern[first..end];
    let mut found = false;
    let mut index = 0;
    while index < members.len() {
        if let (Some('-'), Some(&last)) = (members.get(index + 1), members.get(index + 2)) {
            found |= (members[index]..=last).contains(&sign);
            index += 3;
        } else {
            found |= members[index] == sign;
            index += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_read_as_salt_reads_them() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "web1", true),
            ("web*", "web1", true),
            ("web*", "aweb1", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("web[12]", "web2", true),
            ("web[!12]", "web2", false),
            ("web[!12]", "web3", true),
            ("web[1-3]*.dc", "web2-a.dc", true),
            ("*-*-x", "a-b-c-x", true),
            ("*a*b", "aaab", true),
            ("*a*b", "aaabc", false),
            ("[]]", "]", true),
            ("web[1", "web[1", true),
            ("{a,b}", "a", false),
            ("Web1", "web1", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let text = "a".repeat(5_000);
        assert!(!matches(&format!("{}b", "*a".repeat(50)), &text));
    }
}
