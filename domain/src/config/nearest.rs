//! The known word that was probably meant.

/// The candidate nearest to `word`, if any is near enough to be a slip of the fingers.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let tolerance = (length / 3).clamp(1, 4);
    candidates
        .into_iter()
        // A distance takes time and memory by the product of both lengths, and words need not be short.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= tolerance)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_words_are_suggested() {
        let keys = ["timeout", "targets", "command"];
        assert_eq!(nearest("timout", keys), Some("timeout"));
        assert_eq!(nearest("Comand", keys), Some("command"));
        assert_eq!(nearest("owner", keys), None);
        assert_eq!(nearest(&"x".repeat(10_000_000), keys), None);
    }
}
