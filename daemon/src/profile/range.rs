//! Ranges in words: `>=5.14, <6.6`, `>=64GiB`, `2`.

use serde::Serialize;

/// How a value must lie to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// What the bounds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Whole numbers.
    Count,
    /// Bytes, with or without a unit.
    Bytes,
    /// Numbers joined by dots.
    Version,
}

/// Bounds that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    text: String,
    bounds: Vec<(Comparison, Vec<u64>)>,
}

impl Range {
    /// The range out of its words; `None` when they are none.
    pub(super) fn parse(text: &str, scale: Scale) -> Option<Self> {
        let bounds: Option<Vec<_>> = text.split(',').map(|bound| parse_bound(bound.trim(), scale)).collect();
        Some(Self { text: text.trim().to_owned(), bounds: bounds? })
    }

    /// Whether `value` lies in it. A version is compared by as many numbers as the bound has, so that `<=5.14`
    /// holds for 5.14.3.
    #[must_use]
    pub fn holds(&self, value: &[u64]) -> bool {
        self.bounds.iter().all(|(comparison, bound)| {
            let part = |at: usize| value.get(at).copied().unwrap_or(0);
            let seen: Vec<u64> = (0..bound.len()).map(part).collect();
            match comparison {
                Comparison::Less => seen < *bound,
                Comparison::AtMost => seen <= *bound,
                Comparison::Equal => seen == *bound,
                Comparison::AtLeast => seen >= *bound,
                Comparison::More => seen > *bound,
            }
        })
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn parse_bound(text: &str, scale: Scale) -> Option<(Comparison, Vec<u64>)> {
    // The longer signs first: `<` begins `<=`.
    let signs = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::More),
        ("<", Comparison::Less),
        ("=", Comparison::Equal),
        ("", Comparison::Equal),
    ];
    let (comparison, rest) =
        signs.iter().find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?.trim())))?;
    let bound = match scale {
        Scale::Count => vec![rest.parse().ok()?],
        Scale::Bytes => vec![crate::knob::bytes(rest)?],
        Scale::Version => rest.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?,
    };
    Some((comparison, bound))
}

/// The numbers that a kernel's release begins with: `6.1.0-49-amd64` is 6, 1, 0.
pub(super) fn version(release: &str) -> Vec<u64> {
    let digits = release.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next();
    digits.unwrap_or_default().split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_every_scale() {
        let holds = |text: &str, scale, value: &[u64]| {
            Range::parse(text, scale).is_some_and(|range| range.holds(value))
        };
        assert!(holds(">=5.14, <6.6", Scale::Version, &version("6.1.0-49-amd64")));
        assert!(!holds(">=5.14, <6.6", Scale::Version, &version("6.6.0")));
        assert!(!holds(">=5.14", Scale::Version, &version("5.4.300")));
        assert!(holds("<=5.14", Scale::Version, &version("5.14.3")));
        assert!(holds("=6", Scale::Version, &version("6.12")));
        assert!(holds(">=6.12", Scale::Version, &version("6.12-rc1")));
        assert!(holds(">= 64GiB", Scale::Bytes, &[64 << 30]));
        assert!(holds("2", Scale::Count, &[2]) && !holds(">2", Scale::Count, &[2]));
        for (text, scale) in [
            ("", Scale::Count),
            (">=", Scale::Count),
            (">=x", Scale::Version),
            ("64GB", Scale::Bytes),
            ("1,", Scale::Count),
        ] {
            assert_eq!(Range::parse(text, scale), None, "{text}");
        }
        assert_eq!(version("weird"), Vec::<u64>::new());
    }

    proptest::proptest! {
        #[test]
        fn each_comparison_is_that_of_numbers(a in 0..9u64, b in 0..9u64) {
            let holds = |sign: &str| Range::parse(&format!("{sign}{b}"), Scale::Count).unwrap().holds(&[a]);
            proptest::prop_assert_eq!(
                [holds("<"), holds("<="), holds("="), holds(">="), holds(">")],
                [a < b, a <= b, a == b, a >= b, a > b]
            );
        }

        #[test]
        fn a_version_is_below_or_from_each_bound(a in proptest::collection::vec(0..3u64, 1..4), b in proptest::collection::vec(0..3u64, 1..4)) {
            let text = b.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
            let holds = |sign: &str| Range::parse(&format!("{sign}{text}"), Scale::Version).unwrap().holds(&a);
            proptest::prop_assert_ne!(holds("<"), holds(">="));
            proptest::prop_assert_ne!(holds("<="), holds(">"));
            proptest::prop_assert_eq!(holds("="), holds("<=") && holds(">="));
        }
    }
}
