//! Choices that a seed makes: the same on every machine.

use std::collections::BTreeSet;

/// A sequence of numbers, SplitMix64.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `count` of the places below `of`, all of them where there are no more.
    pub fn choose(&mut self, of: usize, count: usize) -> BTreeSet<usize> {
        let mut places: Vec<usize> = (0..of).collect();
        let count = count.min(of);
        for at in 0..count {
            let other = at + (self.next() % (of - at) as u64) as usize;
            places.swap(at, other);
        }
        places.into_iter().take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_chooses_the_same_and_each_place_as_often() {
        assert_eq!(Chance::new(1).choose(100, 10), Chance::new(1).choose(100, 10));
        assert_ne!(Chance::new(1).choose(100, 10), Chance::new(2).choose(100, 10));
        assert_eq!(Chance::new(7).choose(3, 9).len(), 3);
        let mut counts = [0; 10];
        let mut chance = Chance::new(3);
        for _ in 0..5000 {
            chance.choose(10, 2).into_iter().for_each(|place| counts[place] += 1);
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
