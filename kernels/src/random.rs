//! Random numbers by position: the value is a hash of a key and an index, so it does not depend on which thread
//! asks first, nor on the machine.
//!
//! The hash is the output function of SplitMix64 (Steele, Lea, Flood 2014), applied twice.

/// 64 random bits for `index` under `key`.
#[must_use]
pub const fn bits(key: u64, index: u64) -> u64 {
    mix(mix(key.wrapping_add(GAMMA)).wrapping_add(index.wrapping_mul(GAMMA)))
}

/// A number in 0..1 with 24 random bits, each exact in f32.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "24 bits fit a f32 exactly")]
pub const fn unit(key: u64, index: u64) -> f32 {
    (bits(key, index) >> 40) as f32 * (1.0 / 16_777_216.0)
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_uniform() {
        let n = 1_u64 << 16;
        let values: Vec<f64> = (0..n).map(|index| f64::from(unit(7, index))).collect();
        let mean = values.iter().sum::<f64>() / 65536.0;
        let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 65536.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.002, "{variance}");
        let lag = values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum::<f64>() / 65536.0;
        assert!(lag.abs() < 0.002, "{lag}");
        assert_ne!(bits(1, 0), bits(0, 1));
    }
}
