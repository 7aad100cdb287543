//! What an import makes of a value that is not there.

/// What a null is where there is no value that means "none": in columns of whole numbers, texts and times, and anywhere in
/// CSV. In a column of floating-point numbers of other files it is NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// An error that names column and row.
    #[default]
    Fail,
    /// The row is left out.
    Skip,
    /// NaN. A column of whole numbers with a null anywhere becomes floating-point; such a file is read twice. A null in texts and
    /// times is an error.
    Nan,
}

/// What other programs write for a value that is not there, beside nothing at all.
const WORDS: [&str; 5] = ["nan", "na", "n/a", "null", "none"];

/// Whether a field of a text says that there is no value.
pub(crate) fn is_null(text: &[u8]) -> bool {
    text.is_empty() || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs() {
        assert!([&b""[..], b"NaN", b"NA", b"N/A", b"NULL", b"None"].into_iter().all(is_null));
        assert!([&b"0"[..], b"-", b"inf", b"nano"].into_iter().all(|text| !is_null(text)));
    }
}
