use diapason_tests::require;
use ndarray::{Array2, Array3, ArrayView2, s};

use super::panel::CudaPanel;
use crate::cuda::engine::{Engine, host::HostEngine};
use crate::feature::{CATALOGUE, Number, Plan};
use crate::random;

/// Every column that a feature of the catalogue reads by itself.
fn columns() -> Vec<&'static str> {
    let mut columns: Vec<&str> =
        CATALOGUE.iter().flat_map(|entry| entry.inputs.iter().map(|input| input.column)).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Every feature of the catalogue with its defaults, and with its shortest windows.
fn everything(with: impl Fn(&str) -> bool) -> Plan {
    let mut items: Vec<String> = CATALOGUE.iter().map(|entry| entry.call()).collect();
    for entry in CATALOGUE.iter().filter(|entry| entry.parameters.iter().any(|parameter| parameter.whole)) {
        let inputs = entry.inputs.iter().map(|input| input.column.to_owned());
        let short = entry.parameters.iter().enumerate().map(|(place, parameter)| {
            let least = parameter.minimum.max(1.0) + place as f64;
            if parameter.whole { least.to_string() } else { parameter.default.to_string() }
        });
        let short = format!("{}({})", entry.name, inputs.chain(short).collect::<Vec<_>>().join(","));
        if !items.contains(&short) {
            items.push(short);
        }
    }
    items.retain(|item| with(item));
    Plan::parse(&items.join(", "), &columns()).unwrap()
}

/// Series of several kinds: walks, jumps, gaps, equal values, and magnitudes near the ends of the format.
fn series(name: &str, rows: usize, symbols: usize) -> Array2<f64> {
    let key = name.bytes().map(u64::from).sum::<u64>();
    let mut place = 0;
    let mut level = vec![100.0; symbols];
    Array2::from_shape_fn((rows, symbols), |(row, symbol)| {
        place += 1;
        let draw = f64::from(random::unit(key, place));
        level[symbol] *= 1.0 + 0.02 * (draw - 0.5);
        let value = match symbol % 6 {
            1 if row % 37 == 20 => f64::NAN,
            2 => 7.0,
            3 if row % 50 == 30 => 1e30,
            4 => level[symbol] * 1e-30,
            5 => (draw * 5.0).floor(),
            _ => level[symbol],
        };
        match name {
            "timestamp" => 1.7e18 + row as f64 * 6e10 + symbol as f64 * 1e9,
            "volume" => value * 3.0,
            "high" => value * 1.01,
            "low" => value * 0.99,
            _ => value,
        }
    })
}

fn sit<T: Number>(plan: &Plan) {
    let (rows, symbols) = (230, 37);
    let columns: Vec<Array2<T>> =
        plan.inputs().iter().map(|name| series(name, rows, symbols).mapv(T::of)).collect();
    let mut wanted = Array3::from_elem((plan.names().len(), rows, symbols), T::zero());
    let views: Vec<ArrayView2<'_, T>> = columns.iter().map(|column| column.view()).collect();
    plan.panel::<T>(symbols).unwrap().extend(&views, wanted.view_mut()).unwrap();
    let mut panel =
        CudaPanel::<T>::on(plan, symbols, |kernels| Ok(Engine::Host(HostEngine::new(kernels, 3)))).unwrap();
    let mut got = Array3::from_elem(wanted.dim(), T::zero());
    for (from, to) in [(0, 1), (1, 100), (100, rows)] {
        let views: Vec<ArrayView2<'_, T>> =
            columns.iter().map(|column| column.slice(s![from..to, ..])).collect();
        panel.extend(&views, got.slice_mut(s![.., from..to, ..])).unwrap();
    }
    assert_eq!(panel.rows(), rows as u64);
    for (output, name) in plan.names().iter().enumerate() {
        for row in 0..rows {
            for symbol in 0..symbols {
                let [got, wanted] = [&got, &wanted].map(|all| all[[output, row, symbol]].wide());
                let same = got.to_bits() == wanted.to_bits();
                assert!(same, "{name}, row {row}, symbol {symbol}: {got} and not {wanted}");
            }
        }
    }
}

#[test]
fn every_feature_has_the_bits_of_the_processor() {
    require!(Cxx);
    sit::<f64>(&everything(|_| true));
    sit::<f32>(&everything(|item| {
        !item.contains("timestamp")
            && CATALOGUE.iter().all(|entry| {
                !item.starts_with(&format!("{}(", entry.name))
                    || entry.inputs.iter().all(|input| input.column != "timestamp")
            })
    }));
}

#[test]
fn what_does_not_fit_is_refused_as_on_the_processor() {
    require!(Cxx);
    let plan = Plan::parse("sma(close,3)", &["close"]).unwrap();
    let mut panel =
        CudaPanel::<f32>::on(&plan, 4, |kernels| Ok(Engine::Host(HostEngine::new(kernels, 3)))).unwrap();
    let (x, mut out) = (Array2::<f32>::zeros((2, 4)), Array3::zeros((1, 2, 4)));
    let message = panel.extend(&[], out.view_mut()).unwrap_err().to_string();
    assert!(message.starts_with("the plan reads 1 columns and 0 were given"), "{message}");
    let message = panel.extend(&[x.slice(s![.., ..3])], out.view_mut()).unwrap_err().to_string();
    assert!(message.starts_with("column 0 is 2 rows x 3 symbols and must be 2 x 4"), "{message}");
    let timed = Plan::parse("time_of_day()", &["timestamp"]).unwrap();
    let refused = CudaPanel::<f32>::on(&timed, 4, |_| unreachable!()).unwrap_err().to_string();
    assert!(refused.contains("f32 cannot hold"), "{refused}");
}
