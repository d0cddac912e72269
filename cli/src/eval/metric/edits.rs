//! How far two sequences are apart.

/// Insertions, deletions and replacements that turn `found` into `right` (Levenshtein). Takes time in the product of their
/// lengths, memory in the shorter one's.
pub fn distance<T: PartialEq>(found: &[T], right: &[T]) -> usize {
    let (long, short) = if found.len() < right.len() { (right, found) } else { (found, right) };
    let mut row: Vec<usize> = (0..=short.len()).collect();
    for (i, a) in long.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in short.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[short.len()]
}

/// Length of the longest subsequence that both have.
pub fn common<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let longer = if x == y { diagonal + 1 } else { row[j + 1].max(row[j]) };
            diagonal = row[j + 1];
            row[j + 1] = longer;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn distances_are_those_by_hand() {
        for (a, b, wanted) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("flaw", "lawn", 2)] {
            assert_eq!(distance(&words(a), &words(b)), wanted, "{a} {b}");
            assert_eq!(distance(&words(b), &words(a)), wanted, "{b} {a}");
        }
        assert_eq!(common(&words("abcbdab"), &words("bdcaba")), 4);
        assert_eq!(common(&words(""), &words("x")), 0);
    }

    proptest! {
        #[test]
        fn a_distance_has_its_bounds(a in "[ab]{0,12}", b in "[ab]{0,12}") {
            let (a, b) = (words(&a), words(&b));
            let (far, shared) = (distance(&a, &b), common(&a, &b));
            prop_assert!(far >= a.len().abs_diff(b.len()) && far <= a.len().max(b.len()));
            // Without replacements all that is not shared is deleted or inserted.
            prop_assert!(far <= a.len() + b.len() - 2 * shared && 2 * far >= a.len() + b.len() - 2 * shared);
            prop_assert_eq!(far == 0, a == b);
        }
    }
}
