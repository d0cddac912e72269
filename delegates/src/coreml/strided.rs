//! Values that lie apart: Core ML's outputs have rows as long as the processor that made them liked.

/// The values of a tensor of `shape`, outermost axis first, from where `strides` say they lie among `values`. `None` where that is
/// outside, or the two lists have different lengths.
pub(super) fn gather(values: &[f32], shape: &[usize], strides: &[usize]) -> Option<Vec<f32>> {
    if shape.len() != strides.len() {
        return None;
    }
    let mut places = vec![0usize];
    for (&extent, &stride) in shape.iter().zip(strides) {
        let steps = |place: usize| (0..extent).map(move |at| at.checked_mul(stride)?.checked_add(place));
        places = places.into_iter().flat_map(steps).collect::<Option<_>>()?;
    }
    places.into_iter().map(|place| values.get(place).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::gather;

    #[test]
    fn rows_may_be_longer_than_what_they_hold() {
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        assert_eq!(gather(&values, &[2, 3], &[4, 1]), Some(vec![0.0, 1.0, 2.0, 4.0, 5.0, 6.0]));
        assert_eq!(gather(&values, &[3, 2], &[1, 4]), Some(vec![0.0, 4.0, 1.0, 5.0, 2.0, 6.0]));
        assert_eq!(gather(&values, &[], &[]), Some(vec![0.0]));
        assert_eq!(gather(&values, &[4, 3], &[4, 1]), None, "the last row lies outside");
        assert_eq!(gather(&values, &[2], &[usize::MAX]), None);
        assert_eq!(gather(&values, &[2, 3], &[4]), None);
    }
}
