//! Sharing what there is not enough of.

/// The most that each may have so that all who want so much have `total` together at most, where those who want less leave
/// the rest to the others; [`u64::MAX`] when there is enough for all. When more come, it is never more.
pub fn share(mut wanted: Vec<u64>, total: u64) -> u64 {
    wanted.sort_unstable();
    let mut left = total;
    for (place, one) in wanted.iter().enumerate() {
        let each = left / (wanted.len() - place) as u64;
        if *one > each {
            return each;
        }
        left -= one;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_wants_less_leaves_the_rest_to_the_others() {
        assert_eq!(share(vec![], 10), u64::MAX);
        assert_eq!(share(vec![4, 6], 10), u64::MAX);
        assert_eq!(share(vec![100, 100], 10), 5);
        assert_eq!(share(vec![100, 1, 100, 3], 10), 3);
        assert_eq!(share(vec![1; 20], 10), 0);
    }

    proptest! {
        #[test]
        fn all_together_have_the_total_and_nobody_could_have_more(
            wanted in prop::collection::vec(0_u64..100, 0..40),
            total in 0_u64..2000,
        ) {
            let each = share(wanted.clone(), total);
            let given = |each: u64| -> u64 { wanted.iter().map(|one| *one.min(&each)).sum() };
            prop_assert!(given(each) <= total);
            if each < u64::MAX {
                prop_assert!(given(each + 1) > total);
            }
        }

        #[test]
        fn what_is_left_out_early_is_not_wanted_back(
            wanted in prop::collection::vec(0_u64..100, 1..40),
            some in 0_usize..40,
            total in 0_u64..2000,
        ) {
            let some = some.min(wanted.len());
            prop_assert!(share(wanted.clone(), total) <= share(wanted[..some].to_vec(), total));
        }
    }
}
