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

/// The number at the begin of `text` and the byte behind it, when it is a plain one that ends at `delimiter` or a line end.
///
/// Eight digits are read at a time: the bytes of a word that are no digits are found by one sum, those before them are
/// moved to the end, and three multiplications join neighbours (Lemire, "Number parsing at a gigabyte per second", 2021).
#[inline]
pub(super) fn scan(text: &[u8], point: u8, delimiter: u8) -> Option<(f64, usize)> {
    let (negative, mut at) = match text.first()? {
        b'-' => (true, 1),
        _ => (false, 0),
    };
    let (mut whole, digits) = run(&text[at..], 0)?;
    at += digits;
    let mut decimals = 0;
    if text.get(at) == Some(&point) && point != delimiter {
        (whole, decimals) = run(&text[at + 1..], whole)?;
        at += 1 + decimals;
    }
    let is_end = match text.get(at) {
        Some(&byte) => byte == delimiter || byte == b'\n' || byte == b'\r',
        None => true,
    };
    // Below 2^53 and not more digits than 64 bits hold for sure.
    if !is_end || digits + decimals == 0 || digits + decimals > 18 || whole >= 1 << 53 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53, checked above")]
    let value = whole as f64 / POWERS[decimals];
    Some((if negative { -value } else { value }, at))
}

/// `before` with the digits at the begin of `text` behind it, and how many these are; `None` when they are too many.
#[inline]
fn run(text: &[u8], before: u64) -> Option<(u64, usize)> {
    const TENS: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let (mut number, mut count) = (before, 0);
    while let Some(word) = text.get(count..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word) ^ 0x3030_3030_3030_3030;
        let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        let digits = others.trailing_zeros() as usize / 8;
        if digits > 0 {
            number = number.wrapping_mul(TENS[digits]).wrapping_add(joined(word << (64 - 8 * digits)));
        }
        count += digits;
        if digits < 8 {
            return Some((number, count));
        }
        if count > 16 {
            return None;
        }
    }
    // The end of the text: byte by byte.
    while let Some(digit) = text.get(count).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(digit.into());
        count += 1;
    }
    (count <= 19).then_some((number, count))
}

/// The number of eight digits of one byte each, the first in the lowest byte.
const fn joined(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF
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

    proptest! {
        #[test]
        fn scanned_numbers_are_parsed_ones(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?", end in "[,\n\r]?[0-9,]{0,9}") {
            let all = format!("{text}{end}");
            if let Some((value, at)) = scan(all.as_bytes(), b'.', b',') {
                prop_assert_eq!(Some(value.to_bits()), all[..at].parse::<f64>().ok().map(f64::to_bits), "{}", all);
                prop_assert!(at == all.len() || [b',', b'\n', b'\r'].contains(&all.as_bytes()[at]));
            }
        }

        #[test]
        fn ordinary_numbers_are_scanned(whole in 0u32..2_000_000, decimals in "[0-9]{0,6}", negative: bool) {
            let sign = if negative { "-" } else { "" };
            let text = if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") };
            let wanted = Some((text.parse::<f64>().unwrap(), text.len()));
            prop_assert_eq!(scan(text.as_bytes(), b'.', b','), wanted);
            prop_assert_eq!(scan(format!("{text},17").as_bytes(), b'.', b','), wanted);
            prop_assert_eq!(scan(format!("{text};17").replace('.', ",").as_bytes(), b',', b';'), wanted);
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
