//! `docs/features.md`, the reference of all features, written from the catalogue with `UPDATE_DOCS=1` and else compared.

use std::fmt::Write as _;

use diapason_kernels::feature::{Across, CATALOGUE, Entry};
use diapason_tests::need::repository;

/// The word that serialises a value, as people write it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().replace('_', " ")
}

/// The call with its inputs and the defaults of its parameters.
fn call(entry: &Entry) -> String {
    let many = entry.inputs.len() > 6;
    let shown = if many { &entry.inputs[..4] } else { entry.inputs };
    let inputs = shown.iter().map(|input| input.column.to_owned());
    let more = many.then(|| "...".to_owned());
    let parameters =
        entry.parameters.iter().map(|parameter| format!("{}={}", parameter.name, parameter.default));
    format!("{}({})", entry.name, inputs.chain(more).chain(parameters).collect::<Vec<_>>().join(", "))
}

fn section(page: &mut String, entry: &Entry) {
    let mut summary = entry.summary.to_owned();
    summary[..1].make_ascii_uppercase();
    let _ = write!(page, "### `{}`\n\n{summary}.\n\n", call(entry));
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(page, "- {label}: {text}");
    };
    line("formula", &format!("`{}`", entry.formula));
    line("source", entry.source);
    let renamed = entry.inputs.iter().filter(|input| input.name != input.column);
    let renamed: Vec<String> = renamed.map(|input| format!("{} is {}", input.name, input.column)).collect();
    if !renamed.is_empty() {
        line("where no input is named", &renamed.join(", "));
    }
    let bounds = entry.parameters.iter().map(|parameter| {
        let rising = if parameter.rising { ", above the one before" } else { "" };
        format!("{} from {} to {}{rising}", parameter.name, parameter.minimum, parameter.maximum)
    });
    let bounds: Vec<String> = bounds.collect();
    if !bounds.is_empty() {
        line("bounds", &bounds.join("; "));
    }
    if entry.outputs.len() > 1 {
        line(
            "outputs",
            &entry.outputs.iter().map(|output| format!(".{output}")).collect::<Vec<_>>().join(", "),
        );
    }
    let rows = entry.lookback_rows(&[]).unwrap();
    line("lookback", &format!("{} ({rows} with the defaults)", entry.lookback));
    line("NaN", entry.nan);
    line("unit, stability", &format!("{}, {}", word(&entry.unit), word(&entry.stability)));
    if let Some(name) = entry.ta_lib {
        line("TA-Lib", name);
    }
    page.push('\n');
}

fn page() -> String {
    let mut page = String::from(
        "# Features\n\n\
         Every feature that a plan can call. Written by `kernels/tests/feature/reference.rs` from the catalogue, with \
         `UPDATE_DOCS=1`; the same is in `diapason features list` and `diapason features explain`.\n\n\
         `x[n]` is the value n rows before. A value is finite or NaN, which means that it is not known: while a feature \
         warms up (its lookback, in rows), where the data has a gap, and where the formula is undefined. An infinite \
         input counts as NaN. Inputs and parameters may be left out where the defaults shown serve, and parameters can be \
         named. Where TA-Lib has the function, its values and its lookback are the judge; else NumPy in extended \
         precision, written from the formula.\n\n\
         Stability says how a value depends on the row at which the series begins: exact, not at all; epsilon, only by \
         rounding; converging, less and less; path dependent, for ever. In each class batch, stream and panel give the \
         same bits.\n\n",
    );
    let mut families: Vec<String> = Vec::new();
    for entry in CATALOGUE {
        let family = word(&entry.family);
        if !families.contains(&family) {
            families.push(family);
        }
    }
    let _ = writeln!(
        page,
        "{} features in {} families: {}.\n",
        CATALOGUE.len(),
        families.len(),
        families.join(", ")
    );
    for family in &families {
        let mut title = family.clone();
        title[..1].make_ascii_uppercase();
        let _ = write!(page, "## {title}\n\n");
        CATALOGUE
            .iter()
            .filter(|entry| word(&entry.family) == *family)
            .for_each(|entry| section(&mut page, entry));
    }
    page.push_str(
        "## Across symbols\n\n\
         What compares the symbols of a panel, in each row by itself; the outermost call of a feature in a `CrossPlan`. A \
         value that is not known stays so and counts for nothing.\n\n",
    );
    for across in Across::ALL {
        let _ = writeln!(page, "- `{}(x)`: `{}`", across.name(), across.formula());
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

#[test]
fn the_reference_is_that_of_the_catalogue() {
    let document = repository().join("docs/features.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&document, page()).unwrap();
    }
    let written = std::fs::read_to_string(&document).unwrap_or_default();
    assert!(
        written == page(),
        "docs/features.md is out of date; run with UPDATE_DOCS=1 and read the difference"
    );
}

/// The value of a lookback as it is written: sums and products of numbers and parameters, `max`, `floor`, `sqrt`.
fn evaluated(text: &str, entry: &Entry, values: &[f64]) -> f64 {
    let text = text.trim();
    let parts = |separators: &[char]| {
        let mut depth = 0;
        let at = text.char_indices().rev().find(|(_, c)| {
            depth += i32::from(*c == ')') - i32::from(*c == '(');
            depth == 0 && separators.contains(c)
        });
        at.map(|(at, c)| (text[..at].to_owned(), c, text[at + 1..].to_owned()))
    };
    let value = |text: &str| evaluated(text, entry, values);
    if let Some((left, sign, right)) = parts(&['+', '-']) {
        return value(&left) + if sign == '+' { value(&right) } else { -value(&right) };
    }
    if let Some((left, _, right)) = parts(&[' ']) {
        return value(&left) * value(&right);
    }
    let inside = |name: &str| text.strip_prefix(name).and_then(|rest| rest.strip_suffix(')'));
    if let Some(both) = inside("max(") {
        let (left, right) = both.split_once(',').unwrap();
        return value(left).max(value(right));
    }
    if let Some(of) = inside("floor(") {
        return value(of).floor();
    }
    if let Some(of) = inside("sqrt(") {
        return value(of).sqrt();
    }
    if let Some(of) = inside("(") {
        return value(of);
    }
    match entry.parameters.iter().position(|parameter| parameter.name == text) {
        Some(place) => values[place],
        None => text.parse().unwrap_or_else(|_| panic!("{}: lookback {text}", entry.name)),
    }
}

#[test]
fn the_lookback_as_written_is_the_lookback() {
    for entry in CATALOGUE {
        let defaults: Vec<f64> = entry.parameters.iter().map(|parameter| parameter.default).collect();
        let mut tried = vec![defaults];
        for shift in [1.0, 2.0, 7.0] {
            let other = entry.parameters.iter().enumerate().map(|(place, parameter)| {
                let whole = parameter.minimum.max(1.0) + shift * (place + 1) as f64;
                if parameter.whole { whole } else { parameter.default }
            });
            tried.push(other.collect());
        }
        for values in tried {
            let rows = entry.lookback_rows(&values).unwrap_or_else(|| panic!("{} {values:?}", entry.name));
            assert_eq!(evaluated(entry.lookback, entry, &values), rows as f64, "{} {values:?}", entry.name);
        }
    }
}
