//! The kernels of this processor: for each operation a table, best first, scalar last.
//!
//! In each instruction set's folder an operation's file has the operation's name. A kernel is a safe function with
//! `#[target_feature]`; its one condition is that the processor has the features, which [`Kernels::new`] checks
//! once. After that every call goes straight through the chosen pointers.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::isa::{self, Isa, IsaError};
use crate::op::activation::{self, Activation, Activations};
use crate::op::bf16;
use crate::op::bf16_gemm::{self, Weave};
use crate::op::dense::{self, Dense};
use crate::op::gemm::{self, Gemm};
use crate::op::int8;
use crate::op::lstm_cell::{self, Backward, Forward};
use crate::op::lstm_step::{self, LstmStep};
use crate::op::sweep;

/// One row of a table: an operation in one instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Impl<F: 'static> {
    /// The instruction set.
    pub isa: Isa,
    /// The kernel; calling it needs the instruction set.
    pub run: F,
}

/// Declares one operation's table: `NAME: Signature = path::in::each::folder;`, behind it `(true)` for one
/// of two kinds: the fast class of activations, or values below the least that training keeps taken as zero.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $run:ty = $file:ident::$function:ident $(($fast:literal))?;)+) => {
        $($(#[$doc])*
        pub static $name: &[Impl<$run>] = &[
            #[cfg(target_arch = "x86_64")]
            Impl { isa: Isa::Avx512, run: avx512::$file::$function$(::<$fast>)? },
            #[cfg(target_arch = "x86_64")]
            Impl { isa: Isa::Avx2Fma, run: avx2::$file::$function$(::<$fast>)? },
            Impl { isa: Isa::Scalar, run: scalar::$file::$function$(::<$fast>)? },
        ];)+
    };
}

tables! {
    /// Sigmoid and tanh of a slice.
    ACTIVATION: activation::Run = activation::run;
    /// Matrix product.
    GEMM: gemm::Run = gemm::run;
    /// Gates and states from pre-activations.
    LSTM_CELL_FORWARD: lstm_cell::RunForward = lstm_cell::forward (false);
    /// The same in the fast class.
    LSTM_CELL_FORWARD_FAST: lstm_cell::RunForward = lstm_cell::forward (true);
    /// The derivative of the same.
    LSTM_CELL_BACKWARD: lstm_cell::RunBackward = lstm_cell::backward;
    /// One layer's step of a stream.
    LSTM_STEP: lstm_step::Run = lstm_step::run (false);
    /// The same in the fast class.
    LSTM_STEP_FAST: lstm_step::Run = lstm_step::run (true);
    /// The head.
    DENSE: dense::Run = dense::run;
    /// Reading memory.
    SWEEP: sweep::Run = sweep::run;
    /// Rounding to bfloat16.
    BF16_NARROW: bf16::RunNarrow = bf16::narrow (false);
    /// Matrix product in bfloat16.
    BF16: bf16::Run = bf16::run;
    /// Rounding to bfloat16 for training, along rows.
    BF16_GEMM_NARROW: bf16::RunNarrow = bf16::narrow (true);
    /// The same along columns.
    BF16_GEMM_WEAVE: bf16_gemm::RunWeave = bf16_gemm::weave;
    /// Matrix product of training in bfloat16.
    BF16_GEMM: bf16_gemm::Run = bf16_gemm::run;
    /// One layer's step of a stream in bfloat16.
    BF16_STEP: bf16::RunStep = bf16::step (false);
    /// The same in the fast class.
    BF16_STEP_FAST: bf16::RunStep = bf16::step (true);
    /// Rounding to 8 bits.
    INT8_NARROW: int8::RunNarrow = int8::narrow;
    /// Matrix product in 8-bit integers.
    INT8: int8::Run = int8::run;
    /// One layer's step of a stream in 8-bit integers.
    INT8_STEP: int8::RunStep = int8::step (false);
    /// The same in the fast class.
    INT8_STEP_FAST: int8::RunStep = int8::step (true);
}

/// The kernels of one instruction set, which this processor has.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    isa: Isa,
    activation: activation::Run,
    gemm: gemm::Run,
    lstm_cell_forward: lstm_cell::RunForward,
    lstm_cell_backward: lstm_cell::RunBackward,
    lstm_step: lstm_step::Run,
    dense: dense::Run,
    sweep: sweep::Run,
    bf16_isa: Isa,
    bf16_narrow: bf16::RunNarrow,
    bf16: bf16::Run,
    bf16_step: bf16::RunStep,
    bf16_gemm_narrow: bf16::RunNarrow,
    bf16_gemm_weave: bf16_gemm::RunWeave,
    bf16_gemm: bf16_gemm::Run,
    int8_isa: Isa,
    int8_narrow: int8::RunNarrow,
    int8: int8::Run,
    int8_step: int8::RunStep,
}

/// The row of `isa`, else the next one down; tables end in a scalar row, so there always is one.
fn row<F: Copy>(table: &'static [Impl<F>], isa: Isa) -> F {
    let found = table.iter().find(|row| row.isa == isa);
    found.unwrap_or(&table[table.len() - 1]).run
}

impl Kernels {
    /// The kernels of `wanted`, else of what `KERNELS_ISA` names, else of the best that is here.
    ///
    /// # Errors
    /// [`IsaError`] when this processor lacks it.
    pub fn new(wanted: Option<Isa>) -> Result<Self, IsaError> {
        Self::with(wanted, Activations::Accurate)
    }

    /// The same, with the class of activations.
    ///
    /// # Errors
    /// [`IsaError`] when this processor lacks it.
    pub fn with(wanted: Option<Isa>, activations: Activations) -> Result<Self, IsaError> {
        let fast = activations == Activations::Fast;
        let isa = Isa::choose(wanted)?;
        // An instruction set may lack what reduced precision wants; the next one down does without.
        let with = |has: bool| if isa == Isa::Avx512 && !has { Isa::Avx2Fma } else { isa };
        let (bf16_isa, int8_isa) = (with(isa::has_bf16()), with(isa::has_vnni()));
        Ok(Self {
            isa,
            activation: row(ACTIVATION, isa),
            gemm: row(GEMM, isa),
            lstm_cell_forward: row(if fast { LSTM_CELL_FORWARD_FAST } else { LSTM_CELL_FORWARD }, isa),
            lstm_cell_backward: row(LSTM_CELL_BACKWARD, isa),
            lstm_step: row(if fast { LSTM_STEP_FAST } else { LSTM_STEP }, isa),
            dense: row(DENSE, isa),
            sweep: row(SWEEP, isa),
            bf16_isa,
            bf16_narrow: row(BF16_NARROW, bf16_isa),
            bf16: row(BF16, bf16_isa),
            bf16_step: row(if fast { BF16_STEP_FAST } else { BF16_STEP }, bf16_isa),
            bf16_gemm_narrow: row(BF16_GEMM_NARROW, bf16_isa),
            bf16_gemm_weave: row(BF16_GEMM_WEAVE, bf16_isa),
            bf16_gemm: row(BF16_GEMM, bf16_isa),
            int8_isa,
            int8_narrow: row(INT8_NARROW, int8_isa),
            int8: row(INT8, int8_isa),
            int8_step: row(if fast { INT8_STEP_FAST } else { INT8_STEP }, int8_isa),
        })
    }

    /// The instruction set.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Applies sigmoid or tanh in place.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "models apply both inside the cell; alone they sit the exam")
    )]
    pub fn activation(&self, function: Activation, values: &mut [f32]) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.activation)(function, values) }
    }

    /// Computes a matrix product into `out`.
    pub fn gemm(&self, gemm: &Gemm, out: &mut [f32]) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.gemm)(gemm, out) }
    }

    /// Computes gates and states.
    pub fn lstm_cell_forward(&self, cell: &mut Forward) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.lstm_cell_forward)(cell) }
    }

    /// Computes the gradient by the pre-activations.
    pub fn lstm_cell_backward(&self, cell: &mut Backward) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.lstm_cell_backward)(cell) }
    }

    /// Takes one step of one layer of a stream.
    pub fn lstm_step(&self, step: &mut LstmStep) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.lstm_step)(step) }
    }

    /// The instruction set of products in bfloat16.
    #[must_use]
    pub const fn bf16_isa(&self) -> Isa {
        self.bf16_isa
    }

    /// The instruction set of products in 8-bit integers.
    #[must_use]
    pub const fn int8_isa(&self) -> Isa {
        self.int8_isa
    }

    /// Rounds rows to bfloat16.
    pub fn bf16_narrow(&self, narrow: &mut bf16::Narrow) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16_narrow)(narrow) }
    }

    /// Computes a product in bfloat16 into `out`.
    pub fn bf16(&self, product: &bf16::Product, out: &mut [f32]) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16)(product, out) }
    }

    /// Rounds rows to bfloat16 for training.
    pub fn bf16_gemm_narrow(&self, narrow: &mut bf16::Narrow) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16_gemm_narrow)(narrow) }
    }

    /// Rounds to bfloat16 for training, two rows to one of words.
    pub fn bf16_gemm_weave(&self, weave: &mut Weave) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16_gemm_weave)(weave) }
    }

    /// Computes a product of training in bfloat16 into `out`.
    pub fn bf16_gemm(&self, gemm: &Gemm<u32>, out: &mut [f32]) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16_gemm)(gemm, out) }
    }

    /// Takes one step of one layer of a stream in bfloat16.
    pub fn bf16_step(&self, step: &mut bf16::Step) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_bf16` found here.
        unsafe { (self.bf16_step)(step) }
    }

    /// Takes one step of one layer of a stream in 8-bit integers.
    pub fn int8_step(&self, step: &mut int8::Step) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_vnni` found here.
        unsafe { (self.int8_step)(step) }
    }

    /// Rounds rows to 8 bits.
    pub fn int8_narrow(&self, narrow: &mut int8::Narrow) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_vnni` found here.
        unsafe { (self.int8_narrow)(narrow) }
    }

    /// Computes a product in 8-bit integers into `out`.
    pub fn int8(&self, product: &int8::Product, out: &mut [f32]) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` and `isa::has_vnni` found here.
        unsafe { (self.int8)(product, out) }
    }

    /// Adds up all values.
    pub fn sweep(&self, values: &[f32]) -> f32 {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.sweep)(values) }
    }

    /// Applies the head before its activation.
    pub fn dense(&self, dense: &mut Dense) {
        // SAFETY: `new` took the row of an instruction set that `Isa::choose` found on this processor.
        unsafe { (self.dense)(dense) }
    }
}

/// The exams of `op/`, sat by the kernels of one instruction set beside the scalar ones.
#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::op;

    fn both(isa: Isa) -> (Kernels, Kernels) {
        (Kernels::new(Some(isa)).unwrap(), Kernels::new(Some(Isa::Scalar)).unwrap())
    }

    /// The same in each class of activations.
    fn classes(isa: Isa) -> impl Iterator<Item = (Kernels, Kernels, Activations)> {
        Activations::ALL.into_iter().map(move |class| {
            let [kernels, scalar] = [isa, Isa::Scalar].map(|isa| Kernels::with(Some(isa), class).unwrap());
            (kernels, scalar, class)
        })
    }

    pub fn activation(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::activation::exam::sit(&|f, v| kernels.activation(f, v), &|f, v| scalar.activation(f, v));
    }

    pub fn gemm(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::gemm::exam::sit(&|g, out| kernels.gemm(g, out), &|g, out| scalar.gemm(g, out));
    }

    pub fn lstm_cell(isa: Isa) {
        for (kernels, scalar, class) in classes(isa) {
            let forward = |cell: &mut Forward| kernels.lstm_cell_forward(cell);
            let backward = |cell: &mut Backward| kernels.lstm_cell_backward(cell);
            let scalar_forward = |cell: &mut Forward| scalar.lstm_cell_forward(cell);
            let scalar_backward = |cell: &mut Backward| scalar.lstm_cell_backward(cell);
            let scalar = (&scalar_forward as _, &scalar_backward as _);
            op::lstm_cell::exam::sit((&forward, &backward), scalar, class.tolerance());
        }
    }

    pub fn lstm_step(isa: Isa) {
        for (kernels, _, class) in classes(isa) {
            let step = |step: &mut LstmStep| kernels.lstm_step(step);
            let gemm = |gemm: &Gemm, out: &mut [f32]| kernels.gemm(gemm, out);
            let cell = |cell: &mut Forward| kernels.lstm_cell_forward(cell);
            let kernels = op::lstm_step::exam::Kernels { step: &step, gemm: &gemm, cell: &cell };
            op::lstm_step::exam::sit(&kernels, class.tolerance());
        }
    }

    pub fn dense(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::dense::exam::sit(&|d| kernels.dense(d), &|d| scalar.dense(d));
    }

    pub fn sweep(isa: Isa) {
        let (kernels, _) = both(isa);
        op::sweep::exam::sit(&|values| kernels.sweep(values));
    }

    pub fn bf16(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::bf16::exam::sit_narrow(&|narrow| kernels.bf16_narrow(narrow));
        let product = |p: &bf16::Product, out: &mut [f32]| kernels.bf16(p, out);
        op::bf16::exam::sit(&product, &|p, out| scalar.bf16(p, out));
        for (kernels, ..) in classes(isa) {
            op::bf16::exam::sit_step(&|s| kernels.bf16_step(s), &product, &|c| kernels.lstm_cell_forward(c));
        }
    }

    pub fn bf16_gemm(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::bf16_gemm::exam::sit_narrow(&|n| kernels.bf16_gemm_narrow(n), &|w| kernels.bf16_gemm_weave(w));
        op::bf16_gemm::exam::sit(&|g, out| kernels.bf16_gemm(g, out), &|g, out| scalar.bf16_gemm(g, out));
    }

    pub fn int8(isa: Isa) {
        let (kernels, scalar) = both(isa);
        op::int8::exam::sit_narrow(&|narrow| kernels.int8_narrow(narrow), &|n| scalar.int8_narrow(n));
        let product = |p: &int8::Product, out: &mut [f32]| kernels.int8(p, out);
        op::int8::exam::sit(&product, &|p, out| scalar.int8(p, out));
        for (kernels, ..) in classes(isa) {
            op::int8::exam::sit_step(&|s| kernels.int8_step(s), &product, &|c| kernels.lstm_cell_forward(c));
        }
    }

    /// What is computed how, for `docs/lstm.md`: written with `UPDATE_DOCS=1`, else compared.
    #[test]
    fn the_published_table_is_that_of_the_code() {
        fn line<F: Copy>(what: &str, precision: &str, needs: &str, table: &[Impl<F>]) -> String {
            let cell = |isa: Isa| match table.iter().any(|row| row.isa == isa) {
                true if isa == Isa::Avx512 && !needs.is_empty() => format!("with {needs}, else as AVX2"),
                true => "yes".to_owned(),
                false => "by the next".to_owned(),
            };
            let [avx512, avx2, scalar] = Isa::ALL.map(cell);
            format!("| {what} | {precision} | {scalar} | {avx2} | {avx512} |\n")
        }
        let lines = [
            line("product, batch and training", "f32", "", GEMM),
            line("product, training", "bf16", "avx512_bf16", BF16_GEMM),
            line("product, batch", "bf16", "avx512_bf16", BF16),
            line("product, batch", "int8", "avx512_vnni", INT8),
            line("step of a stream", "f32", "", LSTM_STEP),
            line("step of a stream", "bf16", "avx512_bf16", BF16_STEP),
            line("step of a stream", "int8", "avx512_vnni", INT8_STEP),
            line("rounding of features and states", "bf16", "avx512_bf16", BF16_NARROW),
            line("rounding of features and states", "int8", "avx512_vnni", INT8_NARROW),
            line("gates and states", "f32", "", LSTM_CELL_FORWARD),
            line("their gradient", "f32", "", LSTM_CELL_BACKWARD),
            line("head", "f32", "", DENSE),
        ];
        let head = "| operation | precision | scalar | AVX2 + FMA | AVX-512 F |\n|---|---|---|---|---|\n";
        let table = format!("{head}{}", lines.concat());
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lstm.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = ("<!-- table: written by the tests -->\n", "<!-- end of table -->");
        let (before, rest) = text.split_once(begin).unwrap();
        let (written, after) = rest.split_once(end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        } else {
            assert_eq!(written, table, "docs/lstm.md is out of date; run with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn tables_are_best_first_and_complete() {
        fn isas<F: Copy>(table: &[Impl<F>]) -> Vec<Isa> {
            table.iter().map(|row| row.isa).collect()
        }
        let wanted: &[Isa] = if cfg!(target_arch = "x86_64") { &Isa::ALL } else { &[Isa::Scalar] };
        assert_eq!(isas(ACTIVATION), wanted);
        assert_eq!(isas(GEMM), wanted);
        assert_eq!(isas(LSTM_CELL_FORWARD), wanted);
        assert_eq!(isas(LSTM_CELL_BACKWARD), wanted);
        assert_eq!(isas(LSTM_STEP), wanted);
        assert_eq!([isas(LSTM_CELL_FORWARD_FAST), isas(LSTM_STEP_FAST)], [wanted, wanted]);
        assert_eq!([isas(BF16_STEP_FAST), isas(INT8_STEP_FAST)], [wanted, wanted]);
        assert_eq!(isas(DENSE), wanted);
        assert_eq!(isas(SWEEP), wanted);
        assert_eq!([isas(BF16), isas(BF16_NARROW), isas(BF16_STEP)], [wanted, wanted, wanted]);
        assert_eq!(
            [isas(BF16_GEMM), isas(BF16_GEMM_NARROW), isas(BF16_GEMM_WEAVE)],
            [wanted, wanted, wanted]
        );
        assert_eq!([isas(INT8), isas(INT8_NARROW), isas(INT8_STEP)], [wanted, wanted, wanted]);
    }
}
