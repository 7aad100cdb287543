//! The text of a plan as a tree: `rsi(14), ema(close,20)/close-1, macd(12,26,9).hist`.
//!
//! ```text
//!     plan    = item { "," item } [ "," ]
//!     item    = term { ("+" | "-") term }
//!     term    = factor { ("*" | "/") factor }
//!     factor  = "-" factor | call | column | number | "(" item ")"
//!     call    = name "(" [ argument { "," argument } ] ")" [ "." output ]
//!     argument = item | parameter "=" item
//! ```
//! Spaces and line ends mean nothing; `#` begins a comment that ends with its line.

mod token;

use std::ops::Range;

use crate::feature::error::{Place, PlanError};
use token::{Kind, Token};

/// Longest text of a plan: far above any sensible one, low enough for a file given by mistake.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of parentheses and calls, so that no text can exhaust the stack.
const DEPTH_MAX: usize = 64;
/// Most operators in one feature: a chain of operators nests as well, to the left.
const OPERATORS_MAX: usize = 512;

/// An expression and the bytes of the text that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub form: Form,
    pub span: Range<usize>,
}

/// The forms of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Number(f64),
    Column(String),
    Negate(Box<Tree>),
    Binary(char, Box<Tree>, Box<Tree>),
    Call {
        name: String,
        name_span: Range<usize>,
        arguments: Vec<Argument>,
        output: Option<(String, Range<usize>)>,
    },
}

/// An argument of a call, by place or by name.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub name: Option<(String, Range<usize>)>,
    pub value: Tree,
}

/// Reads the items of a plan.
pub(crate) fn parse(text: &str) -> Result<Vec<Tree>, PlanError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PlanError::TooLong { bytes: text.len(), limit: TEXT_BYTES_MAX });
    }
    let mut parser = Parser { text, tokens: token::scan(text)?, next: 0, depth: 0, operators: 0 };
    let mut items = Vec::new();
    while parser.peek().kind != Kind::End {
        parser.operators = 0;
        items.push(parser.item()?);
        match parser.peek().kind {
            Kind::Symbol(',') => parser.next += 1,
            Kind::End => {}
            _ => return Err(parser.unexpected("',' between features, or an operator")),
        }
    }
    if items.is_empty() { Err(PlanError::Empty) } else { Ok(items) }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    operators: usize,
}

impl Parser<'_> {
    /// The token to come; the list ends with [`Kind::End`], which is never passed.
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn takes(&mut self, symbol: char) -> bool {
        let found = self.peek().kind == Kind::Symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &'static str) -> PlanError {
        let token = self.peek();
        let found = match token.kind {
            Kind::End => "the end".to_owned(),
            _ => format!("'{}'", &self.text[token.span.clone()]),
        };
        PlanError::Unexpected { found, expected, place: Place::new(self.text, &token.span) }
    }

    fn nested(&self, limit: usize, what: &'static str) -> PlanError {
        PlanError::TooDeep { limit, what, place: Place::new(self.text, &self.peek().span) }
    }

    fn item(&mut self) -> Result<Tree, PlanError> {
        self.chain(&['+', '-'], Self::term)
    }

    fn term(&mut self) -> Result<Tree, PlanError> {
        self.chain(&['*', '/'], Self::factor)
    }

    /// Operands joined by operators of one rank, from left to right.
    fn chain(
        &mut self,
        operators: &[char],
        operand: fn(&mut Self) -> Result<Tree, PlanError>,
    ) -> Result<Tree, PlanError> {
        let mut left = operand(self)?;
        while let Some(operator) =
            operators.iter().find(|operator| self.peek().kind == Kind::Symbol(**operator))
        {
            self.next += 1;
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                return Err(self.nested(OPERATORS_MAX, "operators in one feature"));
            }
            let right = operand(self)?;
            let span = left.span.start..right.span.end;
            left = Tree { form: Form::Binary(*operator, Box::new(left), Box::new(right)), span };
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Tree, PlanError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.nested(DEPTH_MAX, "levels of nesting"));
        }
        let start = self.peek().span.start;
        let tree = match self.peek().kind.clone() {
            Kind::Symbol('-') => {
                self.next += 1;
                let operand = self.factor()?;
                let span = start..operand.span.end;
                Tree { form: Form::Negate(Box::new(operand)), span }
            }
            Kind::Symbol('(') => {
                self.next += 1;
                let inner = self.item()?;
                if !self.takes(')') {
                    return Err(self.unexpected("')' or an operator"));
                }
                inner
            }
            Kind::Number(value) => Tree { form: Form::Number(value), span: self.take().span },
            Kind::Name => self.name()?,
            _ => return Err(self.unexpected("a feature, a column, a number or '('")),
        };
        self.depth -= 1;
        Ok(tree)
    }

    /// A column, or a call with its choice of output.
    fn name(&mut self) -> Result<Tree, PlanError> {
        let name_span = self.take().span;
        let name = self.text[name_span.clone()].to_owned();
        if !self.takes('(') {
            return Ok(Tree { form: Form::Column(name), span: name_span });
        }
        let arguments = self.arguments()?;
        let mut span = name_span.start..self.tokens[self.next - 1].span.end;
        let mut output = None;
        if self.takes('.') {
            if self.peek().kind != Kind::Name {
                return Err(self.unexpected("the name of an output"));
            }
            let chosen = self.take().span;
            span.end = chosen.end;
            output = Some((self.text[chosen.clone()].to_owned(), chosen));
        }
        Ok(Tree { form: Form::Call { name, name_span, arguments, output }, span })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, PlanError> {
        let mut arguments = Vec::new();
        while !self.takes(')') {
            let mut name = None;
            let named = self.tokens.get(self.next + 1).is_some_and(|token| token.kind == Kind::Symbol('='));
            if self.peek().kind == Kind::Name && named {
                let span = self.take().span;
                self.next += 1;
                name = Some((self.text[span.clone()].to_owned(), span));
            }
            arguments.push(Argument { name, value: self.item()? });
            if !self.takes(',') && self.peek().kind != Kind::Symbol(')') {
                return Err(self.unexpected("',' or ')'"));
            }
        }
        Ok(arguments)
    }
}
