use diapason_tests::{Need, need};
use ndarray::{Array2, Array3};

use super::*;
use crate::feature::CATALOGUE;
use crate::random;

/// The adapter of these tests: any, or none where the machine has none.
fn gpu() -> Option<Gpu> {
    let gpu = Gpu::open(None);
    let lack = gpu.as_ref().err().map(ToString::to_string);
    need::met(Need::Wgpu, lack).then(|| gpu.unwrap())
}

/// Every column that a feature of the catalogue reads by itself.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        CATALOGUE.iter().flat_map(|entry| entry.inputs.iter().map(|input| input.column)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Features of one kernel of these tests: lavapipe's compiler takes a minute for hundreds.
const TOGETHER: usize = 24;

/// Every feature of the catalogue that the processor's panel has in f32, with its defaults and with short windows, some to a
/// plan.
fn plans() -> Vec<Plan> {
    let mut calls: Vec<String> = Vec::new();
    for entry in CATALOGUE {
        let short = entry.parameters.iter().enumerate().map(|(place, parameter)| {
            let least = parameter.minimum.max(1.0) + place as f64;
            if parameter.whole { least.to_string() } else { parameter.default.to_string() }
        });
        let inputs = entry.inputs.iter().map(|input| input.column.to_owned());
        let short = format!("{}({})", entry.name, inputs.chain(short).collect::<Vec<_>>().join(","));
        for call in [entry.call(), short] {
            let fits = Plan::parse(&call, &names()).unwrap().panel::<f32>(1).is_ok();
            if fits && !calls.contains(&call) {
                calls.push(call);
            }
        }
    }
    assert!(calls.len() > 200, "{}", calls.len());
    calls.chunks(TOGETHER).map(|calls| Plan::parse(&calls.join(", "), &names()).unwrap()).collect()
}

/// Walks, gaps, and equal values.
fn series(name: &str, rows: usize, symbols: usize) -> Array2<f32> {
    let key = name.bytes().map(u64::from).sum::<u64>();
    let mut place = 0;
    let mut level = vec![100.0_f32; symbols];
    Array2::from_shape_fn((rows, symbols), |(row, symbol)| {
        place += 1;
        let draw = random::unit(key, place);
        level[symbol] *= 1.0 + 0.02 * (draw - 0.5);
        let value = match symbol % 4 {
            1 if row % 67 == 50 => f32::NAN,
            2 => 7.0,
            3 => 0.01 * level[symbol],
            _ => level[symbol],
        };
        match name {
            "high" => value * 1.01,
            "low" => value * 0.99,
            _ => value,
        }
    })
}

fn columns(plan: &Plan, rows: usize, symbols: usize) -> Vec<Array2<f32>> {
    // Bars hang together: open and close lie between low and high.
    let of = |name: &str| match name {
        "high" | "low" | "close" => {
            series("close", rows, symbols)
                * if name == "high" {
                    1.01
                } else if name == "low" {
                    0.99
                } else {
                    1.0
                }
        }
        other => series(other, rows, symbols),
    };
    plan.inputs().iter().map(|name| of(name)).collect()
}

fn run(gpu: &Gpu, plan: &Plan, columns: &[Array2<f32>], cuts: &[usize]) -> Array3<f32> {
    let (rows, symbols) = columns[0].dim();
    let mut panel = plan.panel_wgpu(gpu, symbols).unwrap();
    let mut out = Array3::zeros((plan.names().len(), rows, symbols));
    let mut from = 0;
    for &to in cuts.iter().chain([&rows]) {
        let views: Vec<ArrayView2<'_, f32>> =
            columns.iter().map(|column| column.slice(s![from..to, ..])).collect();
        panel.extend(&views, out.slice_mut(s![.., from..to, ..])).unwrap();
        from = to;
    }
    assert_eq!(panel.rows(), rows as u64);
    out
}

#[test]
fn every_feature_is_the_processors() {
    let Some(gpu) = gpu() else { return };
    let (rows, symbols) = (300, 20);
    let mut faults = Vec::new();
    for (place, plan) in plans().iter().enumerate() {
        let columns = columns(plan, rows, symbols);
        let views: Vec<ArrayView2<'_, f32>> = columns.iter().map(|column| column.view()).collect();
        let mut wanted = Array3::zeros((plan.names().len(), rows, symbols));
        plan.panel::<f32>(symbols).unwrap().extend(&views, wanted.view_mut()).unwrap();
        let got = run(&gpu, plan, &columns, &[1, 100]);
        for (output, name) in plan.names().iter().enumerate() {
            let (got, wanted) = (got.slice(s![output, .., ..]), wanted.slice(s![output, .., ..]));
            let differ = got.iter().zip(wanted).filter(|(a, b)| a.is_nan() != b.is_nan()).count();
            let both = || got.iter().zip(wanted).filter(|(a, b)| !a.is_nan() && !b.is_nan());
            let off: f64 = both().map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            let size: f64 = both().map(|(_, &b)| f64::from(b).powi(2)).sum();
            let distance = if off == 0.0 { 0.0 } else { (off / size).sqrt() };
            if differ > 0 || distance.is_nan() || distance > WgpuPanel::TOLERANCE {
                faults.push(format!("{name}: off by {distance:.1e}, known elsewhere in {differ} places"));
            }
        }
        if place == 0 {
            let whole = run(&gpu, plan, &columns, &[]);
            assert_eq!(whole.mapv(f32::to_bits), got.mapv(f32::to_bits), "other chunks");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_f32_cannot_hold_is_named_and_so_is_what_does_not_fit() {
    let Some(gpu) = gpu() else { return };
    let plan = Plan::parse("time_of_day()", &["timestamp"]).unwrap();
    let message = plan.panel_wgpu(&gpu, 4).unwrap_err().to_string();
    assert!(
        message.contains("(timestamp), which f32 cannot hold; compute it in f64, or without it"),
        "{message}"
    );
    let plan = Plan::parse("sma(close,3)", &["close"]).unwrap();
    let mut panel = plan.panel_wgpu(&gpu, 4).unwrap();
    let (x, mut out) = (Array2::<f32>::zeros((2, 4)), Array3::zeros((1, 2, 4)));
    let message = panel.extend(&[], out.view_mut()).unwrap_err().to_string();
    assert!(message.starts_with("the plan reads 1 columns and 0 were given"), "{message}");
    let message = panel.extend(&[x.slice(s![.., ..3])], out.view_mut()).unwrap_err().to_string();
    assert!(message.starts_with("column 0 is 2 rows x 3 symbols and must be 2 x 4"), "{message}");
    panel.extend(&[x.view()], out.view_mut()).unwrap();
    assert!(panel.explain().contains("1 features of 1 columns, 4 symbols in f32"), "{}", panel.explain());
}
