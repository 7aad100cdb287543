//! The kernel of a plan: its operations in their order, each a call of `feature.wgsl` with its constants.

use std::fmt::Write;

use crate::feature::graph::Node;
use crate::feature::op::Op;
use crate::feature::program::Program;

/// Symbols of a workgroup.
pub const SYMBOLS: usize = 64;

/// The number that stands for "not known" on the device.
pub const UNKNOWN: f32 = f32::MIN;

/// What a gap is kept as in a sorted window.
const GAP: f32 = f32::MAX;

/// What an operation keeps from row to row: whether it counts rows, numbers of its own, and an array.
#[derive(Clone, Debug, Default, PartialEq)]
struct Keep {
    counts: bool,
    numbers: Vec<f32>,
    array: usize,
    /// What the array holds before the first row.
    fill: f32,
}

impl Keep {
    fn len(&self) -> usize {
        usize::from(self.counts) + self.numbers.len() + self.array
    }
}

/// What `op` keeps.
fn keep(op: Op) -> Keep {
    let window =
        |numbers: &[f32], array| Keep { counts: true, numbers: numbers.to_vec(), array, fill: UNKNOWN };
    let numbers = |numbers: &[f32]| Keep { numbers: numbers.to_vec(), ..Keep::default() };
    match op {
        Op::Lag { rows } | Op::Deviation { rows } | Op::Age { rows, .. } => window(&[], rows),
        Op::Sum { rows } => window(&[0.0], 2 * rows),
        Op::Mean { rows } => window(&[UNKNOWN, 0.0], 2 * rows),
        Op::Moments { rows } | Op::Trend { rows } => window(&[UNKNOWN, 0.0, 0.0], 3 * rows),
        Op::Minimum { rows } | Op::Maximum { rows } => window(&[UNKNOWN], 2 * rows),
        Op::Covariance { rows } => window(&[UNKNOWN, UNKNOWN, 0.0, 0.0, 0.0], 5 * rows),
        Op::HigherMoments { rows } => window(&[UNKNOWN, 0.0, 0.0, 0.0, 0.0], 5 * rows),
        Op::Quantile { rows, .. } | Op::Rank { rows } | Op::MedianDeviation { rows } => {
            Keep { fill: GAP, ..window(&[], 2 * rows) }
        }
        Op::Smooth { .. } => numbers(&[0.0, 0.0]),
        Op::Rsi { .. } => numbers(&[0.0, 0.0, 0.0, 0.0]),
        Op::Accumulate | Op::Balance => numbers(&[UNKNOWN, 0.0, 0.0]),
        Op::Tick | Op::Adapt => numbers(&[UNKNOWN, UNKNOWN]),
        Op::Fill { .. } => numbers(&[UNKNOWN, 0.0]),
        Op::Directional { .. } => numbers(&[0.0, UNKNOWN, UNKNOWN, UNKNOWN, 0.0, 0.0, 0.0]),
        _ => Keep::default(),
    }
}

/// The state of every operation before the first row, `[number]`.
pub fn initial(program: &Program) -> Vec<f32> {
    let mut state = Vec::new();
    for Keep { counts, numbers, array, fill } in program.nodes.iter().map(|node| keep(node.op)) {
        state.extend(counts.then_some(0.0));
        state.extend(numbers);
        state.resize(state.len() + array, fill);
    }
    state
}

/// The kernel of a program, none of whose operations reads a time.
pub fn kernel(program: &Program) -> String {
    let (mut opening, mut body, mut closing) = (String::new(), String::new(), String::new());
    for column in 0..program.columns.len() {
        let _ = writeln!(
            body,
            "        let r{column} = columns[({column}u * span.rows + row) * span.symbols + symbol];"
        );
    }
    for (place, &value) in program.constants.iter().enumerate() {
        let _ = writeln!(opening, "    let r{} = {};", program.columns.len() + place, literal(value));
    }
    let mut base = 0;
    for (index, node) in program.nodes.iter().enumerate() {
        let keep = keep(node.op);
        let count = usize::from(keep.counts);
        if keep.counts {
            let _ = writeln!(opening, "    var count_{index} = u32(held({base}u));");
            let _ = writeln!(closing, "    hold({base}u, f32(count_{index}));");
        }
        for number in 0..keep.numbers.len() {
            let place = base + count + number;
            let _ = writeln!(opening, "    var s{index}_{number} = held({place}u);");
            let _ = writeln!(closing, "    hold({place}u, s{index}_{number});");
        }
        let numbers: Vec<String> =
            (0..keep.numbers.len()).map(|number| format!("&s{index}_{number}")).collect();
        body.push_str(&call(node, index, &numbers, base + count + keep.numbers.len()));
        base += keep.len();
    }
    for (output, register) in program.outputs.iter().enumerate() {
        let _ = writeln!(
            body,
            "        out[({output}u * span.rows + row) * span.symbols + symbol] = r{register};"
        );
    }
    format!(
        "{}\n@compute @workgroup_size({SYMBOLS})\nfn main(@builtin(global_invocation_id) at: vec3<u32>) {{\n    \
         symbol = at.x;\n    if (symbol >= span.symbols) {{\n        return;\n    }}\n{opening}    \
         for (var row = 0u; row < span.rows; row++) {{\n{body}    }}\n{closing}}}\n",
        include_str!("../feature.wgsl")
    )
}

/// A number of the format, by its bits; what f32 cannot hold is not known.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
fn literal(x: f64) -> String {
    let rounded = x as f32;
    let bits = if rounded.is_finite() { rounded } else { UNKNOWN }.to_bits();
    format!("bitcast<f32>({bits:#x}u)")
}

/// The statements of a node.
fn call(node: &Node, index: usize, numbers: &[String], array: usize) -> String {
    let [a, b, c] = node.inputs.map(|register| format!("r{register}"));
    let [out, second, third] = [0, 1, 2].map(|which| format!("r{}", node.out + which));
    let (count, kept) = (format!("&count_{index}"), numbers.join(", "));
    let of = |rows: usize| literal(rows as f64);
    let inverse = |rows: usize| literal(1.0 / rows as f64);
    let between = |rows: usize, share: f64| {
        let place = share * (rows - 1) as f64;
        let lower = (place as usize).min(rows - 1);
        format!("{lower}u, {}u, {}", (lower + 1).min(rows - 1), literal(place - lower as f64))
    };
    let value = match node.op {
        Op::Add => format!("plus({a}, {b})"),
        Op::Subtract => format!("minus({a}, {b})"),
        Op::Multiply => format!("times({a}, {b})"),
        Op::Divide => format!("over({a}, {b})"),
        Op::TrueRange => format!("true_range({a}, {b}, {c})"),
        Op::Negate => format!("times({a}, -1.0)"),
        Op::Absolute => format!("magnitude({a})"),
        Op::SquareRoot => format!("root({a})"),
        Op::Logarithm => format!("ln({a})"),
        Op::LogarithmOfOneMore => format!("ln_1p({a})"),
        Op::Arctangent => format!("arctangent({a})"),
        Op::Clip { low, high } => format!("clip({a}, {}, {})", literal(low), literal(high)),
        Op::Where => format!("only_where({a}, {b})"),
        Op::Position => format!("position({a}, {b}, {c})"),
        Op::Standardise => format!("standardise({a}, {b}, {c})"),
        Op::Quotient { otherwise } => format!("quotient({a}, {b}, {})", literal(otherwise)),
        Op::Lesser => format!("lesser({a}, {b})"),
        Op::Greater => format!("greater({a}, {b})"),
        Op::Above => format!("above({a}, {b})"),
        Op::Departure => format!("departure({a}, {b})"),
        Op::QueueChange => format!("queue_change({a}, {b}, {c})"),
        Op::Lag { rows } => format!("lag({rows}u, {count}, {array}u, {a})"),
        Op::Sum { rows } => format!("window_sum({rows}u, {count}, {kept}, {array}u, {a})"),
        Op::Mean { rows } => {
            format!("window_mean({rows}u, {}, {count}, {kept}, {array}u, {a})", inverse(rows))
        }
        Op::Minimum { rows } => format!("extremum(-1.0, {rows}u, {count}, {kept}, {array}u, {a})"),
        Op::Maximum { rows } => format!("extremum(1.0, {rows}u, {count}, {kept}, {array}u, {a})"),
        Op::Covariance { rows } => {
            format!("covariance({rows}u, {}, {count}, {kept}, {array}u, {a}, {b})", inverse(rows))
        }
        Op::Deviation { rows } => {
            format!("deviation({rows}u, {}, {count}, {array}u, {a}, {b})", inverse(rows))
        }
        Op::Age { rows, greatest, oldest } => {
            let sign = if greatest { "1.0" } else { "-1.0" };
            format!("age({sign}, {oldest}, {rows}u, {count}, {array}u, {a})")
        }
        Op::Quantile { rows, share } => {
            format!("quantile({rows}u, {}, {count}, {array}u, {a})", between(rows, share))
        }
        Op::Rank { rows } => format!("rank({rows}u, {count}, {array}u, {a})"),
        Op::MedianDeviation { rows } => {
            format!("median_deviation({rows}u, {}, {count}, {array}u, {a})", between(rows, 0.5))
        }
        Op::Smooth { rows, skip, keep, take } => {
            let (keep, take) = (literal(keep), literal(take));
            format!("smooth_({}, {}, {keep}, {take}, {kept}, {a})", of(rows), of(skip))
        }
        Op::Rsi { rows } => format!("rsi({}, {}, {kept}, {a})", of(rows), inverse(rows)),
        Op::Accumulate => format!("accumulate({kept}, {a}, {b})"),
        Op::Balance => format!("balance({kept}, {a}, {b})"),
        Op::Tick => format!("tick({kept}, {a})"),
        Op::Adapt => format!("adapt({kept}, {a}, {b})"),
        Op::Fill { rows } => format!("fill({}, {kept}, {a})", of(rows)),
        Op::Moments { rows } => {
            let n = inverse(rows);
            return format!(
                "        let m{index} = window_moments({rows}u, {n}, {count}, {kept}, {array}u, {a});\n        \
                 let {out} = m{index}.x;\n        let {second} = m{index}.y;\n"
            );
        }
        Op::Trend { rows } => {
            let n = rows as f64;
            let (half, scale) = (literal((n - 1.0) / 2.0), literal(12.0 / (n * (n * n - 1.0))));
            let inverse = inverse(rows);
            return format!(
                "        let t{index} = trend({rows}u, {inverse}, {half}, {scale}, {count}, {kept}, {array}u, {a});\n        \
                 let {out} = t{index}.x;\n        let {second} = t{index}.y;\n"
            );
        }
        Op::HigherMoments { rows } => {
            let n = inverse(rows);
            let sums = numbers[1..].iter().map(|number| &number[1..]).collect::<Vec<_>>();
            let mut text = format!("        var p{index} = vec4<f32>({});\n", sums.join(", "));
            let _ = writeln!(
                text,
                "        let h{index} = higher_moments({rows}u, {n}, {count}, {}, &p{index}, {array}u, {a});",
                numbers[0]
            );
            for (number, part) in sums.iter().zip(["x", "y", "z", "w"]) {
                let _ = writeln!(text, "        {number} = p{index}.{part};");
            }
            let _ = writeln!(text, "        let {out} = h{index}.x;\n        let {second} = h{index}.y;");
            return text;
        }
        Op::Split => {
            return format!(
                "        let {out} = part(1.0, {a}, {b});\n        let {second} = part(-1.0, {a}, {b});\n"
            );
        }
        Op::Directional { rows, first } => {
            let keep = literal(1.0 - 1.0 / rows as f64);
            let before = numbers[..4].join(", ");
            let sums = numbers[4..].iter().map(|number| &number[1..]).collect::<Vec<_>>();
            let mut text = format!("        var d{index} = vec3<f32>({});\n", sums.join(", "));
            let _ = writeln!(
                text,
                "        let o{index} = directional({}, {}, {keep}, {before}, &d{index}, {a}, {b}, {c});",
                of(rows),
                of(first)
            );
            for (number, part) in sums.iter().zip(["x", "y", "z"]) {
                let _ = writeln!(text, "        {number} = d{index}.{part};");
            }
            for (register, part) in [&out, &second, &third].into_iter().zip(["x", "y", "z"]) {
                let _ = writeln!(text, "        let {register} = o{index}.{part};");
            }
            return text;
        }
        // Columns and constants are no nodes of a program, and what reads a time was refused.
        _ => "UNKNOWN".to_owned(),
    };
    format!("        let {out} = {value};\n")
}
