//! The text of a plan as tokens.

use std::ops::Range;

use crate::feature::error::{Place, PlanError};

/// A piece of text that means something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Name,
    Number(f64),
    Symbol(char),
    End,
}

/// Cuts `text` into tokens; the last one is [`Kind::End`].
pub(super) fn scan(text: &str) -> Result<Vec<Token>, PlanError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (len, kind) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), None),
            '#' => (rest.find('\n').unwrap_or(rest.len()), None),
            'a'..='z' | 'A'..='Z' | '_' => {
                (span_of(rest, |c| c.is_ascii_alphanumeric() || c == '_'), Some(Kind::Name))
            }
            '0'..='9' => {
                let len = number_len(rest);
                let value = number(text, at..at + len)?;
                (len, Some(Kind::Number(value)))
            }
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !follows_call(&tokens) => {
                let len = number_len(rest);
                let value = number(text, at..at + len)?;
                (len, Some(Kind::Number(value)))
            }
            ',' | '(' | ')' | '+' | '-' | '*' | '/' | '.' | '=' => (1, Some(Kind::Symbol(first))),
            _ => {
                let place = Place::new(text, &(at..at + first.len_utf8()));
                return Err(PlanError::Character { found: first, place });
            }
        };
        if let Some(kind) = kind {
            tokens.push(Token { kind, span: at..at + len });
        }
        at += len;
    }
    tokens.push(Token { kind: Kind::End, span: text.trim_end().len()..text.trim_end().len() });
    Ok(tokens)
}

fn follows_call(tokens: &[Token]) -> bool {
    tokens.last().is_some_and(|token| token.kind == Kind::Symbol(')'))
}

fn span_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Length of the number at the start of `text`, with what clings to it, so that `12abc` is one bad number.
fn number_len(text: &str) -> usize {
    let mut before = ' ';
    let belongs = |c: char| {
        let signed_exponent = (c == '-' || c == '+') && (before == 'e' || before == 'E');
        let belongs = c.is_ascii_alphanumeric() || c == '.' || c == '_' || signed_exponent;
        before = c;
        belongs
    };
    let mut belongs = belongs;
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn number(text: &str, span: Range<usize>) -> Result<f64, PlanError> {
    match text[span.clone()].parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(PlanError::Number { found: text[span.clone()].to_owned(), place: Place::new(text, &span) }),
    }
}
