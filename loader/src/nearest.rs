//! The name that was probably meant.

/// The one of `names` nearest to `wanted`, when one is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&wanted, &name.to_lowercase());
    let (distance, name) = names.map(|name| (distance(name), name)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance < wanted.chars().count()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger() {
        let names = ["open", "close", "volume"];
        let near = |wanted| nearest(wanted, names.into_iter());
        assert_eq!(near("clsoe"), Some("close"));
        assert_eq!(near("Volume"), Some("volume"));
        assert_eq!(near("bid"), None);
        assert_eq!(near("x"), None);
    }
}
