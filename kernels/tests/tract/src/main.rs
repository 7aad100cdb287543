//! What tract makes of the LSTM cases of the `onnx` package's node tests.
//!
//! Argument: the folder that `write_cases.py` filled. Prints a line for each case: its name, a tab, and
//! `passes`, `wrong` or `refuses` with the reason. The column of tract in `docs/onnx-node-tests.md` is what it
//! printed.

use std::path::Path;

use anyhow::{Context, Result};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("the folder of the node tests")?;
    let mut cases: Vec<_> = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    cases.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test_lstm_")));
    cases.sort();
    for case in cases {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let verdict = match run(&case) {
            Ok(true) => "passes".to_owned(),
            Ok(false) => "wrong".to_owned(),
            Err(error) => format!("refuses: {}", error.root_cause()),
        };
        println!("{name}\t{verdict}");
    }
    Ok(())
}

/// Whether every output is within the package's tolerance, 1e-3 relative and 1e-7 absolute.
fn run(case: &Path) -> Result<bool> {
    let onnx = tract_onnx::onnx();
    let tensors = |kind: &str| -> Result<TVec<Tensor>> {
        let mut all = tvec![];
        for place in 0.. {
            let path = case.join(format!("test_data_set_0/{kind}_{place}.pb"));
            if !path.exists() {
                break;
            }
            let proto = tract_onnx::tensor::proto_from_reader(std::fs::File::open(path)?)?;
            all.push(tract_onnx::tensor::load_tensor(&*onnx.provider, &proto, None)?);
        }
        Ok(all)
    };
    let (inputs, wanted) = (tensors("input")?, tensors("output")?);
    let mut model = onnx.model_for_path(case.join("model.onnx"))?;
    for (place, input) in inputs.iter().enumerate() {
        model.set_input_fact(place, InferenceFact::dt_shape(input.datum_type(), input.shape()))?;
    }
    let plan = model.into_optimized()?.into_runnable()?;
    let found = plan.run(inputs.into_iter().map(|input| input.into_tvalue()).collect())?;
    Ok(found.len() == wanted.len()
        && found.iter().zip(&wanted).all(|(a, b)| a.close_enough(b, Approximation::Custom(1e-7, 1e-3, 0.0)).is_ok()))
}
