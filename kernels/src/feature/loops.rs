//! The same loops compiled for the instructions this processor has.
//!
//! The bits do not depend on the choice: operations are those of IEEE 754, fused only where the source says so
//! ([`f64::mul_add`], rounded once on every processor, slow on those without the instruction).
//!
//! Tried and refused: AVX-512 for single series whose rows wait for one another (no faster, OBV 3.6 times slower) and for
//! streams of single rows (a fifth slower, Zen 4).

use crate::feature::value::{Group, Grouped, Lanes, Number};
use crate::isa::{Isa, IsaError};

/// Loops that are compiled for each instruction set: everything in `run` must be inlined into it.
pub(crate) trait Job {
    /// Runs them.
    fn run(self);
}

/// Loops over groups of symbols, compiled likewise, with the registers of the instruction set.
pub(crate) trait GroupJob {
    /// The format of the numbers.
    type Number: Number;
    /// Runs them with groups held in `V`.
    fn run<V: Lanes<Number = Self::Number>>(self);
}

/// Instruction sets that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loops {
    /// For single series.
    narrow: Isa,
    /// For panels.
    wide: Isa,
}

impl Loops {
    /// Those of `wanted`, else of what `KERNELS_ISA` names, else of the best that is here. AVX-512 runs those of
    /// AVX2.
    ///
    /// # Errors
    /// [`IsaError`] when the name is unknown or this processor lacks it.
    pub(crate) fn new(wanted: Option<Isa>) -> Result<Self, IsaError> {
        let chosen = Isa::choose(wanted)?;
        let narrow = match chosen {
            Isa::Avx512 if !Isa::Avx2Fma.is_available() => Isa::Scalar,
            Isa::Avx512 => Isa::Avx2Fma,
            other => other,
        };
        let wide = if narrow == Isa::Scalar { narrow } else { chosen };
        Ok(Self { narrow, wide })
    }

    /// Whether a group is in vector registers, which makes sixteen segments of one series worth their trouble.
    pub(crate) fn has_registers(self) -> bool {
        self.wide == Isa::Avx512
    }

    /// Runs `job` with the instructions that are best for single series.
    #[inline]
    pub(crate) fn narrow(self, job: impl Job) {
        run(self.narrow, job);
    }

    /// Runs `job`, rows of a single series none of which waits for another, with the widest instructions.
    #[inline]
    pub(crate) fn free(self, job: impl Job) {
        run(self.wide, job);
    }

    /// Runs `job` with the widest instructions.
    #[inline]
    pub(crate) fn wide<J: GroupJob>(self, job: J) {
        match self.wide {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Loops::new`, the only source of `self.wide`, found avx512f, and avx2 and fma beside it.
            Isa::Avx512 => unsafe { groups_avx512(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Loops::new`, the only source of `self.wide`, found avx2 and fma.
            Isa::Avx2Fma => unsafe { groups_avx2_fma(job) },
            _ => job.run::<Group<J::Number>>(),
        }
    }
}

#[inline]
fn run(isa: Isa, job: impl Job) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Loops::new`, the only source of `isa`, found avx512f, and avx2 and fma beside it.
        Isa::Avx512 => unsafe { run_avx512(job) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Loops::new`, the only source of `isa`, found avx2 and fma.
        Isa::Avx2Fma => unsafe { run_avx2_fma(job) },
        _ => job.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn run_avx512(job: impl Job) {
    job.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
fn run_avx2_fma(job: impl Job) {
    job.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn groups_avx512<J: GroupJob>(job: J) {
    job.run::<<J::Number as Grouped>::Registers>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn groups_avx2_fma<J: GroupJob>(job: J) {
    job.run::<Group<J::Number>>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::catalogue::CATALOGUE;
    use crate::feature::graph::Graph;
    use crate::feature::op::{Op, shown};
    use crate::feature::program::{self, Advance, Leave, Program};
    use crate::feature::value::WIDTH;

    fn made_up(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let gap = *seed >> 40 & 63 == 0;
        if gap { f64::NAN } else { 90.0 + (*seed >> 11) as f64 / (1_u64 << 49) as f64 }
    }

    /// A block of one series.
    struct Block<'a, const B: usize> {
        program: &'a Program,
        state: &'a mut [f64],
        lanes: &'a mut [[f64; B]],
    }

    impl<const B: usize> Job for Block<'_, B> {
        fn run(self) {
            self.program.nodes.iter().for_each(|node| program::step(node, self.state, self.lanes, B));
        }
    }

    /// Runs `program` on 600 rows of made-up data and returns every register of every row.
    fn run<const B: usize>(loops: Loops, program: &Program) -> Vec<u64> {
        let (mut state, mut lanes) = (program.initial_state(), program.lanes::<f64, B>(program.registers));
        let mut seed = 7_u64;
        let mut bits = Vec::new();
        for _ in 0..600 / B {
            for row in 0..B {
                for lane in &mut lanes[..program.columns.len()] {
                    lane[row] = made_up(&mut seed);
                }
            }
            loops.narrow(Block { program, state: &mut state, lanes: &mut lanes });
            (0..B).for_each(|row| bits.extend(lanes.iter().map(|lane| shown(lane[row]).to_bits())));
        }
        bits
    }

    /// The outputs of a row.
    struct Seen<'a>(&'a mut Vec<u64>);

    impl Leave for Seen<'_> {
        fn leave(self, outputs: &[f64]) {
            self.0.extend(outputs.iter().map(|value| shown(*value).to_bits()));
        }
    }

    /// The same data row by row; the outputs.
    fn ticks(loops: Loops, program: &Program) -> Vec<u64> {
        let (mut state, mut lanes) = (program.initial_state(), program.tick.lanes(program));
        let (mut seed, mut bits) = (7_u64, Vec::new());
        for _ in 0..600 {
            let row: Vec<f64> = program.columns.iter().map(|_| made_up(&mut seed)).collect();
            let (state, lanes) = (&mut state[..], &mut lanes[..]);
            loops.narrow(Advance { program, loops, state, lanes, row: &row, leave: Seen(&mut bits) });
        }
        bits
    }

    /// The same data in every place of a group; the bits of its first place, then of its last.
    struct Groups<'a> {
        program: &'a Program,
        bits: [&'a mut Vec<u64>; 2],
    }

    impl GroupJob for Groups<'_> {
        type Number = f64;

        fn run<V: Lanes<Number = f64>>(self) {
            let (mut state, mut lanes) =
                (self.program.initial_state(), self.program.lanes::<Group<f64>, 1>(self.program.registers));
            let state = V::of_groups(&mut state);
            let (lanes, _) = V::of_groups(lanes.as_flattened_mut()).as_chunks_mut::<1>();
            let [first, last] = self.bits;
            let mut seed = 7_u64;
            for _ in 0..600 {
                for lane in &mut lanes[..self.program.columns.len()] {
                    *lane = [V::all_of(made_up(&mut seed))];
                }
                self.program.advance(state, lanes);
                first.extend(lanes.iter().map(|lane| shown(lane[0]).at(0).to_bits()));
                last.extend(lanes.iter().map(|lane| shown(lane[0]).at(WIDTH - 1).to_bits()));
            }
        }
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
        let baseline = run::<1>(Loops::new(Some(Isa::Scalar)).unwrap(), &program);
        let rows = baseline.chunks_exact(program.registers);
        let shown: Vec<u64> =
            rows.flat_map(|row| program.outputs.iter().map(|output| row[*output])).collect();
        for isa in Isa::available() {
            let loops = Loops::new(Some(isa)).unwrap();
            assert!(ticks(loops, &program) == shown, "ticks, {isa}");
            assert!(run::<1>(loops, &program) == baseline, "{isa}");
            assert!(run::<50>(loops, &program) == baseline, "{isa}");
            let (mut first, mut last) = (Vec::new(), Vec::new());
            loops.wide(Groups { program: &program, bits: [&mut first, &mut last] });
            assert!(first == baseline && last == baseline, "groups, {isa}");
        }
    }

    #[test]
    fn a_choice_is_kept_and_a_lacking_one_refused() {
        for isa in Isa::ALL {
            assert_eq!(Loops::new(Some(isa)).is_ok(), isa.is_available());
        }
    }
}
