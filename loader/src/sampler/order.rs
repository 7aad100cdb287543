//! Permutations made of a seed, without state.
//!
//! A block order must be known at any place without walking there (that is what makes a cursor small), so it is a
//! Feistel network over the next power of four, walked until it lands inside (cycle walking; Black and Rogaway,
//! "Ciphers with arbitrary finite domains", 2002). Inside a block the list is in memory anyway and is shuffled
//! exactly (Fisher and Yates). The hash is [`crate::splitmix`].

use crate::splitmix::mix;

/// One key of several words.
pub(super) fn key(words: &[u64]) -> u64 {
    words.iter().fold(0, |key, &word| mix(key ^ mix(word)))
}

/// Where `index` of `0..len` stands in the permutation that `key` names.
pub(super) fn permuted(index: u64, len: u64, key: u64) -> u64 {
    const ROUNDS: u64 = 6;
    debug_assert!(index < len);
    let half_bits = (u64::BITS - (len - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half_bits) - 1;
    let mut place = index;
    loop {
        let (mut left, mut right) = (place >> half_bits, place & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (mix(key ^ mix(right ^ (round << 56))) & mask));
        }
        place = (left << half_bits) | right;
        if place < len {
            return place;
        }
    }
}

/// Shuffles `items` as `key` says, every order being as likely as any other for a random key.
pub(super) fn shuffle<T>(items: &mut [T], key: u64) {
    for last in (1..items.len()).rev() {
        // The high half of a 128-bit product maps 64 random bits onto 0..=last; its bias is below 2^-32 for any
        // block that fits in memory.
        let drawn = mix(key ^ mix(last as u64));
        let other = (u128::from(drawn) * (last as u128 + 1)) >> 64;
        items.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_place_once(len in 1u64..3000, key: u64) {
            let mut seen = vec![false; len as usize];
            for index in 0..len {
                let place = permuted(index, len, key) as usize;
                prop_assert!(!std::mem::replace(&mut seen[place], true));
            }
        }

        #[test]
        fn large_domains_stay_inside(index: u64, len in 1u64.., key: u64) {
            prop_assert!(permuted(index % len, len, key) < len);
        }
    }

    #[test]
    fn a_shuffle_is_fair_within_five_sigma() {
        // 120 orders of 5 items, 1,000 draws expected of each.
        let mut counts = std::collections::HashMap::new();
        for seed in 0..120_000u64 {
            let mut items = [0u8, 1, 2, 3, 4];
            shuffle(&mut items, key(&[seed]));
            *counts.entry(items).or_insert(0i64) += 1;
        }
        assert_eq!(counts.len(), 120);
        assert!(counts.values().all(|count| (count - 1000).abs() < 160), "{counts:?}");
    }
}
