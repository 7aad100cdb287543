//! Shell patterns: `*`, `?` and `[a-z]`, as device lists, conditions and the configuration of other programs use them.

/// Whether `pattern` covers the whole of `text`.
#[must_use]
pub fn covers(pattern: &str, text: &str) -> bool {
    walk(pattern, text, false)
}

/// The same for paths: no wildcard takes a `/`, as in glob(7).
#[must_use]
pub fn covers_path(pattern: &str, path: &str) -> bool {
    walk(pattern, path, true)
}

/// The same without regard to case.
#[must_use]
pub fn covers_any_case(pattern: &str, text: &str) -> bool {
    covers(&pattern.to_lowercase(), &text.to_lowercase())
}

/// Whether a text holds a letter that means something in a pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn walk(pattern: &str, text: &str, path: bool) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        let letter = text[seen];
        if pattern.get(at) == Some(&'*') {
            star = Some((at, seen));
            at += 1;
            continue;
        }
        if let Some(width) = single(&pattern[at..], letter, path) {
            at += width;
            seen += 1;
            continue;
        }
        match star {
            // The last star takes one letter more.
            Some((star_at, taken)) if !(path && text[taken] == '/') => {
                star = Some((star_at, taken + 1));
                (at, seen) = (star_at + 1, taken + 1);
            }
            _ => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// How many letters of the pattern stand for `letter`; `None` when they stand for another one.
fn single(pattern: &[char], letter: char, path: bool) -> Option<usize> {
    match pattern.first()? {
        '?' if !(path && letter == '/') => Some(1),
        '[' => match set(&pattern[1..], letter) {
            Some((inside, width)) => (inside && !(path && letter == '/')).then_some(width + 1),
            // A bracket that nothing closes is a letter.
            None => (letter == '[').then_some(1),
        },
        other => (*other == letter).then_some(1),
    }
}

/// Whether `letter` is in the set that `rest` opens with (after its bracket), and how many letters the set has.
fn set(rest: &[char], letter: char) -> Option<(bool, usize)> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A closing bracket that comes first is a member.
    let close = (start + 1..rest.len()).find(|at| rest[*at] == ']')?;
    let members = &rest[start..close];
    let (mut at, mut inside) = (0, false);
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            inside |= (members[at]..=members[at + 2]).contains(&letter);
            at += 3;
        } else {
            inside |= members[at] == letter;
            at += 1;
        }
    }
    Some((inside != negated, close + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("nvme*", "nvme0n1"),
            ("s?a", "sda"),
            ("*a*b", "xaxaxb"),
            ("lo", "lo"),
            ("sd[a-c]", "sdb"),
            ("sd[!a-c]", "sdd"),
            ("[]x]", "]"),
            ("a[", "a["),
            ("net.*.rp_filter", "net.ipv4.conf.eth0.rp_filter"),
        ] {
            assert!(covers(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("lo", "loop0"), ("?", ""), ("*a", "ab"), ("", "a"), ("sd[a-c]", "sdd"), ("[^a]", "a")]
        {
            assert!(!covers(pattern, text), "{pattern} {text}");
        }
        assert!(covers_any_case("*epyc*", "AMD EPYC 9R14"));
    }

    #[test]
    fn a_wildcard_of_a_path_stays_in_its_folder() {
        assert!(covers_path("/sys/block/*/queue/scheduler", "/sys/block/sda/queue/scheduler"));
        assert!(!covers_path("/sys/*/scheduler", "/sys/block/sda/queue/scheduler"));
        assert!(!covers_path("/sys/block?sda", "/sys/block/sda"));
        assert!(!covers_path("/sys/block[/]sda", "/sys/block/sda"));
    }

    /// glob(3) by recursion, slow and plain.
    fn plain(pattern: &[char], text: &[char], path: bool) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), Some(letter)) => {
                plain(&pattern[1..], text, path)
                    || (!(path && *letter == '/') && plain(pattern, &text[1..], path))
            }
            (Some('*'), None) => plain(&pattern[1..], text, path),
            (Some(one), Some(letter)) => {
                (one == letter || (*one == '?' && !(path && *letter == '/')))
                    && plain(&pattern[1..], &text[1..], path)
            }
            _ => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn as_the_plain_recursion_says(pattern in "[ab/*?]{0,8}", text in "[ab/]{0,8}") {
            let (letters, of): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            proptest::prop_assert_eq!(covers(&pattern, &text), plain(&letters, &of, false));
            proptest::prop_assert_eq!(covers_path(&pattern, &text), plain(&letters, &of, true));
        }
    }
}
