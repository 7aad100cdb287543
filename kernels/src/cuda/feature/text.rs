//! The kernel of a plan: its operations in their order, each a call of `feature.cuh` with its constants.

use std::fmt::Write;

use super::keep::{Keep, keep};
use crate::cuda::source::Kernel;
use crate::feature::Number;
use crate::feature::graph::Node;
use crate::feature::op::Op;
use crate::feature::program::Program;

/// Threads of a block: a warp, so that a few thousand symbols spread over all multiprocessors.
pub const THREADS: usize = 32;

/// The kernel of a program in the format `T`, outputs as `[output][row][symbol]`.
pub fn kernel<T: Number>(program: &Program) -> Kernel {
    let mut text = include_str!("../feature.cuh").to_owned();
    text.push_str(
        "\nextern \"C\" __global__ void __launch_bounds__(32) features(\n    \
         const number *__restrict__ columns,  // [input][row][symbol]\n    \
         number *__restrict__ out,            // [output][row][symbol]\n    \
         number *__restrict__ state,          // [number][symbol]\n    \
         const int rows,\n    const int symbols) {\n    \
         const int symbol = blockIdx.x * 32 + threadIdx.x;\n    \
         if (symbol >= symbols) return;\n    \
         const long long plane = (long long)rows * symbols;\n    \
         state += symbol;\n",
    );
    let keeps: Vec<Keep> = program.nodes.iter().map(|node| keep(node.op)).collect();
    let (mut opening, mut body, mut closing) = (String::new(), String::new(), String::new());
    for column in 0..program.columns.len() {
        let _ = writeln!(
            opening,
            "    number next_{column} = rows > 0 ? columns[{column} * plane + symbol] : ZERO;"
        );
        let _ = writeln!(body, "        const number r{column} = known(next_{column});");
        let _ = writeln!(
            body,
            "        if (row + 1 < rows) next_{column} = columns[{column} * plane + at + symbols];"
        );
    }
    for (place, &value) in program.constants.iter().enumerate() {
        let register = program.columns.len() + place;
        let _ = writeln!(opening, "    const number r{register} = {};", literal::<T>(value));
    }
    let mut base = 0;
    for (index, (node, keep)) in program.nodes.iter().zip(&keeps).enumerate() {
        heads(&mut opening, &mut closing, index, base, keep);
        let registers = (node.out..node.out + node.op.outputs()).map(|r| format!("r{r}")).collect::<Vec<_>>();
        let _ = writeln!(body, "        number {};", registers.join(", "));
        let _ = writeln!(body, "        {};", call::<T>(node, index, keep, base));
        base += keep.len();
    }
    for (output, register) in program.outputs.iter().enumerate() {
        let _ = writeln!(body, "        out[{output} * plane + at] = shown(r{register});");
    }
    let _ = write!(
        text,
        "{opening}    for (int row = 0; row < rows; row++) {{\n        \
         const long long at = (long long)row * symbols + symbol;\n{body}    }}\n{closing}}}\n"
    );
    Kernel {
        file: "feature.cu",
        text,
        function: "features",
        defines: vec![("WIDE", usize::from(size_of::<T>() == 8))],
        fused: false,
    }
}

/// The state of every operation before the first row, `[number]`.
pub fn initial(program: &Program) -> Vec<f64> {
    program.nodes.iter().flat_map(|node| keep(node.op).initial().collect::<Vec<_>>()).collect()
}

/// Takes the numbers that live in registers from memory before the first row, and puts them back after the last.
fn heads(opening: &mut String, closing: &mut String, index: usize, base: usize, keep: &Keep) {
    let count = usize::from(keep.counts);
    if keep.counts {
        let _ = writeln!(opening, "    int count_{index} = (int)state[{base}ll * symbols];");
        let _ = writeln!(closing, "    state[{base}ll * symbols] = (number)count_{index};");
    }
    for number in 0..keep.numbers.len() {
        let place = base + count + number;
        let _ = writeln!(opening, "    number s{index}_{number} = state[{place}ll * symbols];");
        let _ = writeln!(closing, "    state[{place}ll * symbols] = s{index}_{number};");
    }
}

/// A number of the format, by its bits.
fn literal<T: Number>(x: f64) -> String {
    let rounded = T::of(x).wide();
    let bits = if size_of::<T>() == 8 { rounded.to_bits() } else { u64::from((rounded as f32).to_bits()) };
    format!("of_bits({bits:#x}ull)")
}

/// The statement of a node.
fn call<T: Number>(node: &Node, index: usize, keep: &Keep, base: usize) -> String {
    let of = literal::<T>;
    let [a, b, c] = node.inputs.map(|register| format!("r{register}"));
    let [out, second, third] = [0, 1, 2].map(|which| format!("r{}", node.out + which));
    let count = format!("count_{index}");
    // The numbers in registers, as arguments.
    let numbers =
        (0..keep.numbers.len()).map(|number| format!("s{index}_{number}")).collect::<Vec<_>>().join(", ");
    let first = base + usize::from(keep.counts) + keep.numbers.len();
    let array = format!("Array{{state + {first}ll * symbols, symbols}}");
    let inverse = |rows: usize| of(1.0 / rows as f64);
    let known = |expression: String| format!("{out} = known({expression})");
    let between = |rows: usize, share: f64| {
        let place = share * (rows - 1) as f64;
        let lower = (place as usize).min(rows - 1);
        format!("{lower}, {}, {}", (lower + 1).min(rows - 1), of(place - lower as f64))
    };
    match node.op {
        Op::Column(_) | Op::Constant(_) => String::new(),
        Op::Add => known(format!("{a} + {b}")),
        Op::Subtract => known(format!("{a} - {b}")),
        Op::Multiply => known(format!("{a} * {b}")),
        Op::Divide => known(format!("{a} / {b}")),
        Op::TrueRange => known(format!("true_range({a}, {b}, {c})")),
        Op::Negate => known(format!("{a} * {}", of(-1.0))),
        Op::Absolute => known(format!("MAGNITUDE({a})")),
        Op::SquareRoot => known(format!("ROOT({a})")),
        Op::Logarithm => known(format!("LN({a})")),
        Op::LogarithmOfOneMore => known(format!("LN_1P({a})")),
        Op::Arctangent => known(format!("ATAN({a})")),
        Op::Clip { low, high } => known(format!("clip({a}, {}, {})", of(low), of(high))),
        Op::Where => known(format!("unknown({b}) ? {b} : {a}")),
        Op::Position => known(format!("position({a}, {b}, {c})")),
        Op::Standardise => known(format!("standardise({a}, {b}, {c})")),
        Op::Phase { period_ns, offset_ns } => {
            format!("phase({period_ns:?}, {offset_ns:?}, {a}, {out}, {second})")
        }
        Op::Epoch { period_ns, offset_ns } => known(format!("epoch({period_ns:?}, {offset_ns:?}, {a})")),
        Op::Lag { rows } => format!("{out} = lag({rows}, {count}, {array}, {a})"),
        Op::Sum { rows } => format!("{out} = window_sum({rows}, {count}, {numbers}, {array}, {a})"),
        Op::Mean { rows } => {
            format!("{out} = window_mean({rows}, {}, {count}, {numbers}, {array}, {a})", inverse(rows))
        }
        Op::Moments { rows } => format!(
            "window_moments({rows}, {}, {count}, {numbers}, {array}, {a}, {out}, {second})",
            inverse(rows)
        ),
        Op::Minimum { rows } => format!("{out} = extremum(-ONE, {rows}, {count}, {numbers}, {array}, {a})"),
        Op::Maximum { rows } => format!("{out} = extremum(ONE, {rows}, {count}, {numbers}, {array}, {a})"),
        Op::Smooth { rows, skip, keep, take } => {
            let [rows, skip] = [rows, skip].map(|rows| of(rows as f64));
            format!("{out} = smooth({rows}, {skip}, {}, {}, {numbers}, {a})", of(keep), of(take))
        }
        Op::Rsi { rows } => format!("{out} = rsi({}, {}, {numbers}, {a})", of(rows as f64), inverse(rows)),
        Op::Accumulate => format!("{out} = accumulate({numbers}, {a}, {b})"),
        Op::Quotient { otherwise } => known(format!("quotient({a}, {b}, {})", of(otherwise))),
        Op::Lesser => known(format!("lesser({a}, {b})")),
        Op::Greater => known(format!("greater({a}, {b})")),
        Op::Above => known(format!("above({a}, {b})")),
        Op::Departure => known(format!("departure({a}, {b})")),
        Op::Split => format!("split({a}, {b}, {out}, {second})"),
        Op::QueueChange => known(format!("queue_change({a}, {b}, {c})")),
        Op::Trend { rows } => {
            let n = rows as f64;
            let (half, scale) = (of((n - 1.0) / 2.0), of(12.0 / (n * (n * n - 1.0))));
            let inverse = inverse(rows);
            format!(
                "trend({rows}, {inverse}, {half}, {scale}, {count}, {numbers}, {array}, {a}, {out}, {second})"
            )
        }
        Op::Covariance { rows } => {
            format!("{out} = covariance({rows}, {}, {count}, {numbers}, {array}, {a}, {b})", inverse(rows))
        }
        Op::HigherMoments { rows } => format!(
            "higher_moments({rows}, {}, {count}, {numbers}, {array}, {a}, {out}, {second})",
            inverse(rows)
        ),
        Op::Deviation { rows } => {
            format!("{out} = deviation({rows}, {}, {count}, {array}, {a}, {b})", inverse(rows))
        }
        Op::Age { rows, greatest, oldest } => {
            let sign = if greatest { "ONE" } else { "-ONE" };
            format!("{out} = age({sign}, {oldest}, {rows}, {count}, {array}, {a})")
        }
        Op::Quantile { rows, share } => {
            format!("{out} = quantile({rows}, {}, {count}, {array}, {a})", between(rows, share))
        }
        Op::Rank { rows } => format!("{out} = rank({rows}, {count}, {array}, {a})"),
        Op::MedianDeviation { rows } => {
            format!("{out} = median_deviation({rows}, {}, {count}, {array}, {a})", between(rows, 0.5))
        }
        Op::Directional { rows, first } => {
            let [n, first] = [rows, first].map(|rows| of(rows as f64));
            let keep = of(1.0 - 1.0 / rows as f64);
            format!("directional({n}, {first}, {keep}, {numbers}, {a}, {b}, {c}, {out}, {second}, {third})")
        }
        Op::Adapt => format!("{out} = adapt({numbers}, {a}, {b})"),
        Op::Balance => format!("{out} = balance({numbers}, {a}, {b})"),
        Op::Tick => format!("{out} = tick({numbers}, {a})"),
        Op::Since => format!("{out} = since({numbers}, {a}, {b})"),
        Op::Fill { rows } => format!("{out} = fill({}, {numbers}, {a})", of(rows as f64)),
    }
}
