//! Which passwords may be chosen.

use super::UserName;

/// The shortest password, in characters.
pub const SHORTEST: usize = 12;
/// The longest, in bytes, so that nobody keeps the server busy with hashing one.
pub const LONGEST: usize = 256;
/// The fewest different characters.
const DIFFERENT: usize = 5;

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// It has too few characters.
    #[error("the password is too short: take at least {SHORTEST} characters, such as four words")]
    Short,
    /// It has too many bytes.
    #[error("the password is too long: take at most {LONGEST} bytes")]
    Long,
    /// It repeats itself.
    #[error("the password repeats few characters; take another")]
    Plain,
    /// It holds the name.
    #[error("the password is little more than the user's name; take another")]
    Name,
}

/// Whether `password` may become the one of `user`. There is no rule about kinds of characters: length is what counts.
pub fn check(password: &str, user: &UserName) -> Result<(), Weakness> {
    if password.len() > LONGEST {
        return Err(Weakness::Long);
    }
    if password.chars().count() < SHORTEST {
        return Err(Weakness::Short);
    }
    let mut seen: Vec<char> = password.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < DIFFERENT {
        return Err(Weakness::Plain);
    }
    let rest = password.to_lowercase().replace(user.as_str(), "");
    if rest.chars().count() < SHORTEST / 2 {
        return Err(Weakness::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_by_name() {
        let user = UserName::new("penelope").unwrap();
        for (password, expected) in [
            ("correct horse battery staple", Ok(())),
            ("žžžžž čaša ščit", Ok(())),
            ("elevenchars", Err(Weakness::Short)),
            ("aaaaaaaabbbb", Err(Weakness::Plain)),
            ("Penelope1234", Err(Weakness::Name)),
        ] {
            assert_eq!(check(password, &user), expected, "{password}");
        }
        assert_eq!(check(&"x".repeat(257), &user), Err(Weakness::Long));
    }
}
