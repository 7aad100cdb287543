//! Decimal text to the nearest f64, ties to even.
//!
//! Nearly every price has at most 15 digits and few decimals; then the digits as a whole number and the power of ten
//! are both exact in f64 and one division rounds once (Clinger, "How to read floating point numbers accurately",
//! 1990). Everything else goes to the standard library, which is exact for all inputs.

/// Powers of ten that f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The number that `text` stands for; infinite or NaN when it says so; `None` when it is no number.
pub(super) fn parse(text: &[u8]) -> Option<f64> {
    plain(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

/// The short way: a sign, at most 19 digits of a value below 2^53, at most one point.
fn plain(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.len() > 20 {
        return None;
    }
    let (mut whole, mut decimals, mut seen, mut point) = (0u64, 0usize, 0usize, false);
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            // At most 19 digits are taken below, and 10^19 fits in 64 bits.
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
            seen += 1;
            decimals += usize::from(point);
        } else if byte == b'.' && !point {
            point = true;
        } else {
            return None;
        }
    }
    if seen == 0 || seen > 19 || whole >= 1 << 53 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53, checked above")]
    let value = whole as f64 / POWERS[decimals];
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the standard library says, bit for bit.
    fn agrees(text: &str) -> bool {
        parse(text.as_bytes()).map(f64::to_bits) == text.parse::<f64>().ok().map(f64::to_bits)
    }

    proptest! {
        #[test]
        fn decimals(text in "[-+]?[0-9]{0,20}(\\.[0-9]{0,20})?") {
            prop_assert!(agrees(&text), "{}", text);
        }

        #[test]
        fn exponents(text in "[-+]?[0-9]{1,9}(\\.[0-9]{1,9})?[eE][-+]?[0-9]{1,3}") {
            prop_assert!(agrees(&text), "{}", text);
        }

        #[test]
        fn shortest_texts_of_any_number(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(parse(value.to_string().as_bytes()).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn noise(text in "[-+.0-9eEinfa ]{0,12}") {
            prop_assert!(agrees(&text), "{}", text);
        }
    }

    #[test]
    fn no_number() {
        for text in ["", "-", ".", "1.2.3", "1,5", "abc", "0x10", "1 2", "\u{661}"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff"), None);
        assert!(parse(b"NaN").unwrap().is_nan());
        assert_eq!(parse(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse(b"-0").map(f64::to_bits), Some((-0.0f64).to_bits()));
    }
}
