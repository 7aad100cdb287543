//! The same loops compiled for the instructions this processor has.
//!
//! The bits do not depend on the choice: operations are those of IEEE 754, fused only where the source says so
//! ([`f64::mul_add`], rounded once on every processor, slow on those without the instruction).
//!
//! Tried and refused: AVX-512 (no faster in batch, slower by a fifth in a stream of single rows, Zen 4).

use crate::feature::program::Program;

/// A set of instructions, of those that make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What every processor of the target has.
    Baseline,
    /// Four-lane AVX2, and fused multiplication and addition.
    #[cfg(target_arch = "x86_64")]
    Avx2Fma,
}

impl Isa {
    /// The best set that this processor has.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self::Avx2Fma;
        }
        Self::Baseline
    }

    /// [`Program::advance`] with these instructions.
    #[inline]
    pub(crate) fn advance<const B: usize>(
        self,
        program: &Program,
        state: &mut [f64],
        lanes: &mut [[f64; B]],
        rows: usize,
    ) {
        match self {
            Self::Baseline => program.advance(state, lanes, rows),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::best`, the only source of this value, found avx2 and fma.
            Self::Avx2Fma => unsafe { advance_avx2_fma(program, state, lanes, rows) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn advance_avx2_fma<const B: usize>(
    program: &Program,
    state: &mut [f64],
    lanes: &mut [[f64; B]],
    rows: usize,
) {
    program.advance(state, lanes, rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::catalogue::CATALOGUE;
    use crate::feature::graph::Graph;
    use crate::feature::op::Op;

    /// Runs `program` on 600 rows of made-up data and returns every register of every row.
    fn run<const B: usize>(isa: Isa, program: &Program) -> Vec<u64> {
        let (mut state, mut lanes) = (program.initial_state(), program.lanes::<B>());
        let mut seed = 7_u64;
        let mut bits = Vec::new();
        for _ in 0..600 / B {
            for row in 0..B {
                for lane in &mut lanes[..program.columns.len()] {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let gap = seed >> 40 & 63 == 0;
                    lane[row] =
                        if gap { f64::NAN } else { 90.0 + (seed >> 11) as f64 / (1_u64 << 49) as f64 };
                }
            }
            isa.advance(program, &mut state, &mut lanes, B);
            (0..B).for_each(|row| bits.extend(lanes.iter().map(|lane| lane[row].to_bits())));
        }
        bits
    }

    #[test]
    fn every_set_of_instructions_gives_the_same_bits() {
        let mut graph = Graph::default();
        let mut outputs = Vec::new();
        for entry in CATALOGUE {
            let inputs: Vec<usize> =
                (0..entry.inputs.len()).map(|place| graph.add(Op::Column(place), &[])).collect();
            let defaults: Vec<f64> = entry.parameters.iter().map(|parameter| parameter.default).collect();
            outputs.extend((entry.lower)(&mut graph, &inputs, &defaults));
        }
        let program = Program::new(&graph, &outputs);
        let baseline = run::<1>(Isa::Baseline, &program);
        assert!(run::<50>(Isa::Baseline, &program) == baseline);
        assert!(run::<1>(Isa::best(), &program) == baseline);
        assert!(run::<50>(Isa::best(), &program) == baseline);
    }
}
