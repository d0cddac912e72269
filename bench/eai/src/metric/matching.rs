//! What detection and poses share: objects that were found take right ones from the surest on, and precision is averaged
//! over recall. This is the procedure of pycocotools; where it differs from others, that is its way.

/// Recalls at which precision is taken: 0, 0.01, ... 1.
const RECALLS: usize = 101;
/// Overlaps from which on an object is found: 0.5, 0.55, ... 0.95.
pub(super) const THRESHOLDS: usize = 10;

/// The threshold of that index, to the bit as numpy makes it.
pub(super) fn threshold(i: usize) -> f64 {
    const STEP: f64 = (0.95 - 0.5) / 9.0;
    if i + 1 == THRESHOLDS { 0.95 } else { 0.5 + i as f64 * STEP }
}

/// Objects of one category in one image.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The surest first.
    pub found: Vec<Found>,
    pub right: Vec<Right>,
    /// `[found][right]`.
    pub overlaps: Vec<Vec<f64>>,
    /// Whether what fits nothing is wrong.
    pub unmatched: Unmatched,
}

/// What an object means that fits no right one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unmatched {
    /// It is wrong.
    #[default]
    Wrong,
    /// Not all objects are known here: it does not count.
    Ignored,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub score: f64,
    pub area: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Right {
    pub area: f64,
    /// May be found any number of times.
    pub crowd: bool,
    /// Finding it is neither right nor wrong.
    pub ignored: bool,
}

/// Sizes that count, in square pixels, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AreaRange(pub f64, pub f64);

impl AreaRange {
    pub const ALL: Self = Self(0.0, 1e10);
    pub const SMALL: Self = Self(0.0, 1024.0);
    pub const MEDIUM: Self = Self(1024.0, 9216.0);
    pub const LARGE: Self = Self(9216.0, 1e10);

    fn holds(self, area: f64) -> bool {
        (self.0..=self.1).contains(&area)
    }
}

/// Whether a found object is right, or counts at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    Ignored,
}

impl Group {
    /// The verdict of each found object, and how many right ones count.
    fn judge(&self, threshold: f64, areas: AreaRange) -> (Vec<Verdict>, usize) {
        let ignored: Vec<bool> = self.right.iter().map(|right| right.ignored || !areas.holds(right.area)).collect();
        let mut order: Vec<usize> = (0..self.right.len()).collect();
        order.sort_by_key(|i| ignored[*i]);
        let mut taken = vec![false; self.right.len()];
        let verdicts = self.found.iter().enumerate().map(|(i, found)| {
            let mut least = threshold.min(1.0 - 1e-10);
            let mut best: Option<usize> = None;
            for j in order.iter().copied() {
                if taken[j] && !self.right[j].crowd {
                    continue;
                }
                if best.is_some_and(|best| !ignored[best]) && ignored[j] {
                    break;
                }
                if self.overlaps[i][j] >= least {
                    least = self.overlaps[i][j];
                    best = Some(j);
                }
            }
            let Some(best) = best else {
                let counts = areas.holds(found.area) && self.unmatched == Unmatched::Wrong;
                return if counts { Verdict::Wrong } else { Verdict::Ignored };
            };
            taken[best] = true;
            if ignored[best] { Verdict::Ignored } else { Verdict::Right }
        });
        (verdicts.collect(), ignored.iter().filter(|ignored| !**ignored).count())
    }
}

/// Average precision over all images of a category; none where no right object counts.
pub(super) fn average_precision(groups: &[Group], threshold: f64, areas: AreaRange) -> Option<f64> {
    let mut judged: Vec<(f64, Verdict)> = Vec::new();
    let mut total = 0;
    for group in groups {
        let (verdicts, right) = group.judge(threshold, areas);
        total += right;
        judged.extend(group.found.iter().map(|found| found.score).zip(verdicts));
    }
    if total == 0 {
        return None;
    }
    judged.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut wrong) = (0.0, 0.0);
    let mut curve: Vec<(f64, f64)> = Vec::with_capacity(judged.len());
    for (_, verdict) in judged {
        match verdict {
            Verdict::Right => hits += 1.0,
            Verdict::Wrong => wrong += 1.0,
            Verdict::Ignored => {}
        }
        curve.push((hits / total as f64, hits / (wrong + hits + f64::EPSILON)));
    }
    // From the right, precision never falls.
    for i in (1..curve.len()).rev() {
        curve[i - 1].1 = curve[i - 1].1.max(curve[i].1);
    }
    let at = |i: usize| {
        let recall = if i + 1 == RECALLS { 1.0 } else { i as f64 * 0.01 };
        let place = curve.partition_point(|point| point.0 < recall);
        curve.get(place).map_or(0.0, |point| point.1)
    };
    Some((0..RECALLS).map(at).sum::<f64>() / RECALLS as f64)
}

/// Mean over categories and thresholds that have a value.
pub(super) fn mean_of(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().flatten().collect();
    (!values.is_empty()).then(|| super::mean(&values))
}
