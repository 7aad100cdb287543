//! The little of Python that the header of an array is written in: dictionaries, lists, tuples, texts, whole numbers,
//! truth values.

/// Lists within lists; NumPy's own types go three deep.
const DEPTH_MAX: usize = 16;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Int(u64),
    Bool(bool),
    /// A list or a tuple.
    List(Vec<Literal>),
    Dict(Vec<(String, Literal)>),
}

impl Literal {
    /// What `text` says, if it is such a value and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(0)?;
        reader.skip();
        reader.rest.is_empty().then_some(value)
    }

    /// The value under `key`, in a dictionary.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Dict(items) = self else { return None };
        items.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, wanted: &str) -> Option<()> {
        self.skip();
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip();
        match self.rest.chars().next()? {
            '\'' | '"' => self.text().map(Literal::Text),
            '(' => self.list("(", ")", depth).map(Literal::List),
            '[' => self.list("[", "]", depth).map(Literal::List),
            '{' => self.dict(depth).map(Literal::Dict),
            'T' => self.take("True").map(|()| Literal::Bool(true)),
            'F' => self.take("False").map(|()| Literal::Bool(false)),
            _ => self.int().map(Literal::Int),
        }
    }

    fn int(&mut self) -> Option<u64> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        // Python 2 wrote a long integer with an L.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        digits.parse().ok()
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
        let (mut text, mut letters) = (String::new(), self.rest[1..].char_indices());
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    other @ ('\\' | '\'' | '"') => text.push(other),
                    'x' => {
                        let digits: String = [letters.next()?.1, letters.next()?.1].iter().collect();
                        text.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
                    }
                    _ => return None,
                },
                letter if letter == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(text);
                }
                letter => text.push(letter),
            }
        }
        None
    }

    fn list(&mut self, open: &str, close: &str, depth: usize) -> Option<Vec<Literal>> {
        self.take(open)?;
        let mut values = Vec::new();
        while self.take(close).is_none() {
            values.push(self.value(depth + 1)?);
            if self.take(",").is_none() {
                self.take(close)?;
                break;
            }
        }
        Some(values)
    }

    fn dict(&mut self, depth: usize) -> Option<Vec<(String, Literal)>> {
        self.take("{")?;
        let mut items = Vec::new();
        while self.take("}").is_none() {
            self.skip();
            let key = self.text()?;
            self.take(":")?;
            items.push((key, self.value(depth + 1)?));
            if self.take(",").is_none() {
                self.take("}")?;
                break;
            }
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header() {
        let text = "{'descr': [('a\\'', '<f8'), (\"b\", '<i4', (2, 3)), ], 'fortran_order': False, 'shape': (3,), } \n";
        let found = Literal::parse(text).unwrap();
        assert_eq!(found.get("fortran_order"), Some(&Literal::Bool(false)));
        assert_eq!(found.get("shape"), Some(&Literal::List(vec![Literal::Int(3)])));
        let Some(Literal::List(fields)) = found.get("descr") else { panic!("a list") };
        assert_eq!(fields[0], Literal::List(vec![Literal::Text("a'".into()), Literal::Text("<f8".into())]));
        for broken in ["", "{", "{'a'", "{'a': }", "('a'", "[1 2]", "{'a': 1} x", "__import__('os')", "'\\"] {
            assert_eq!(Literal::parse(broken), None, "{broken}");
        }
        assert_eq!(Literal::parse(&"[".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\](){}',:\\\\x01aTF \u{e9}\"]{0,40}") {
            let _ = Literal::parse(&text);
        }
    }
}
