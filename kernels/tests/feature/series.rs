//! Market data for the exams: seven shapes from a seed, and the real file.

use std::collections::BTreeMap;

use diapason_kernels::feature::Plan;
use diapason_tests::need::shared;
use ndarray::Array2;

/// All columns that a feature of the catalogue can read.
pub const COLUMNS: [&str; 48] = [
    "timestamp",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "bid_2",
    "ask_2",
    "bid_size_2",
    "ask_size_2",
    "bid_3",
    "ask_3",
    "bid_size_3",
    "ask_size_3",
    "bid_4",
    "ask_4",
    "bid_size_4",
    "ask_size_4",
    "bid_5",
    "ask_5",
    "bid_size_5",
    "ask_size_5",
    "bid_6",
    "ask_6",
    "bid_size_6",
    "ask_size_6",
    "bid_7",
    "ask_7",
    "bid_size_7",
    "ask_size_7",
    "bid_8",
    "ask_8",
    "bid_size_8",
    "ask_size_8",
    "bid_9",
    "ask_9",
    "bid_size_9",
    "ask_size_9",
    "bid_10",
    "ask_10",
    "bid_size_10",
    "ask_size_10",
    "added",
    "cancelled",
];

/// The shapes of the exam.
pub const SHAPES: [&str; 7] = ["walk", "constant", "jumps", "gaps", "huge", "tiny", "short"];

/// Named columns of one length.
#[derive(Clone)]
pub struct Series(pub BTreeMap<String, Vec<f64>>);

impl Series {
    pub fn column(&self, name: &str) -> &[f64] {
        &self.0[name]
    }

    pub fn rows(&self) -> usize {
        self.0.values().next().map_or(0, Vec::len)
    }

    /// The columns that `plan` reads, in its order.
    pub fn inputs(&self, plan: &Plan) -> Vec<&[f64]> {
        plan.inputs().iter().map(|name| self.column(name)).collect()
    }

    pub fn row(&self, plan: &Plan, row: usize) -> Vec<f64> {
        plan.inputs().iter().map(|name| self.column(name)[row]).collect()
    }

    pub fn batch(&self, plan: &Plan) -> Array2<f64> {
        let mut out = Array2::zeros((self.rows(), plan.names().len()));
        plan.batch(&self.inputs(plan), out.view_mut()).unwrap();
        out
    }

    pub fn truncated(&self, rows: usize) -> Self {
        Self(self.0.iter().map(|(name, values)| (name.clone(), values[..rows].to_vec())).collect())
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// One-minute bars and quotes of a shape.
pub fn series(shape: &str, rows: usize, seed: u64) -> Series {
    let (mut random, mut deep) = (Random(seed), Random(!seed));
    let rows = if shape == "short" { 3 } else { rows };
    let scale = match shape {
        "huge" => 1e12,
        "tiny" => 1e-9,
        _ => 1.0,
    };
    let mut columns: BTreeMap<String, Vec<f64>> =
        COLUMNS.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    let mut price: f64 = 100.0;
    for row in 0..rows {
        let open = price;
        if shape != "constant" {
            price *= (random.normal() * 0.002).exp();
        }
        if shape == "jumps" && random.below(50) == 0 {
            price *= if random.below(2) == 0 { 8.0 } else { 0.125 };
        }
        let wick = if shape == "constant" { 0.0 } else { price * 0.001 };
        let (high, low) = (open.max(price) + wick * random.unit(), open.min(price) - wick * random.unit());
        let spread = wick * (0.2 + random.unit());
        let values = [
            1.640_995_2e18 + 60e9 * row as f64,
            open * scale,
            high * scale,
            low * scale,
            price * scale,
            (1000.0 * random.unit()).round(),
            (price - spread) * scale,
            (price + spread) * scale,
            (100.0 * random.unit()).round() + 2.0,
            (100.0 * random.unit()).round() + 2.0,
        ];
        let mut depth = Vec::new();
        for level in 1..10 {
            let away = price * 0.0005 * (f64::from(level) + 0.5 * deep.unit());
            let sizes = [deep.unit(), deep.unit()].map(|x| (300.0 * x).round() + 1.0);
            depth.extend([
                (price - spread - away) * scale,
                (price + spread + away) * scale,
                sizes[0],
                sizes[1],
            ]);
        }
        depth.extend([deep.unit(), deep.unit()].map(|x| (500.0 * x).round() + 1.0));
        for (name, value) in COLUMNS.iter().zip(values.into_iter().chain(depth)) {
            let chance =
                if name.contains("_") && name.ends_with(char::is_numeric) { &mut deep } else { &mut random };
            let gap = shape == "gaps" && *name != "timestamp" && chance.below(97) == 0;
            columns.get_mut(*name).unwrap().push(if gap { f64::NAN } else { value });
        }
    }
    Series(columns)
}

/// The real one-minute bars of a BTC future.
pub fn bitcoin() -> Series {
    real("btc-perp-1m-2022-01.csv", 1, &["open", "high", "low", "close", "volume"])
}

/// Real one-minute bars of the pound in dollars, without volume.
pub fn pound() -> Series {
    real("gbpusd-1m-bid-2012.csv", 1, &["open", "high", "low", "close"])
}

/// Real quotes of the euro in dollars; the file has no header.
pub fn euro_quotes() -> Series {
    real("quote-ticks.csv", 0, &["bid", "ask", "volume"])
}

/// The named columns of a file of the real data, after its first column; rows are taken to be a minute apart.
fn real(file: &str, header_lines: usize, names: &[&str]) -> Series {
    let text = std::fs::read_to_string(shared(file)).unwrap();
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (row, line) in text.lines().skip(header_lines).enumerate() {
        for (name, field) in names.iter().zip(line.split(',').skip(1)) {
            columns.entry((*name).to_owned()).or_default().push(field.parse().unwrap());
        }
        columns.entry("timestamp".to_owned()).or_default().push(1.640_991_66e18 + 60e9 * row as f64);
    }
    Series(columns)
}

/// Equality of every bit, with the place of the first difference.
pub fn assert_same(a: &Array2<f64>, b: &Array2<f64>, names: &[String], what: &str) {
    assert_eq!(a.dim(), b.dim(), "{what}");
    for ((row, output), value) in a.indexed_iter() {
        let other = b[(row, output)];
        assert_eq!(
            value.to_bits(),
            other.to_bits(),
            "{what}: {} row {row}: {value} and {other}",
            names[output]
        );
    }
}
