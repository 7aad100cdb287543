//! Bars from trades: exact counts, and the same bars however the trades arrive.

use diapason_kernels::feature::bars::{Bars, BarsError, Threshold, Trade};

use crate::series::Random;

/// Trades of whole prices and volumes, whose sums are exact.
fn trades(count: usize, seed: u64) -> Vec<Trade> {
    let mut random = Random(seed);
    let (mut time, mut price) = (0, 1000.0);
    (0..count)
        .map(|_| {
            time += random.below(3) as i64;
            price += random.below(3) as f64 - 1.0;
            Trade { time, price, volume: random.below(9) as f64 }
        })
        .collect()
}

const THRESHOLDS: [Threshold; 5] = [
    Threshold::Trades(1),
    Threshold::Trades(7),
    Threshold::Volume(50.0),
    Threshold::Value(10_000.0),
    Threshold::Volume(1e18),
];

#[test]
fn a_bar_closes_at_its_threshold_and_every_trade_is_in_one_bar() {
    let trades = trades(5000, 1);
    for threshold in THRESHOLDS {
        let mut bars = Bars::new(threshold).unwrap();
        let closed = bars.extend(&trades).unwrap();
        let counted: u64 = closed.iter().chain(&bars.pending()).map(|bar| bar.trades).sum();
        assert_eq!((counted, bars.trades()), (5000, 5000));
        let mut rest = &trades[..];
        for bar in closed.iter().copied().chain(bars.pending()) {
            let (own, later) = rest.split_at(bar.trades as usize);
            rest = later;
            let price = |pick: fn(f64, f64) -> f64| own.iter().map(|trade| trade.price).reduce(pick).unwrap();
            assert_eq!((bar.open, bar.close), (own[0].price, own[own.len() - 1].price));
            assert_eq!((bar.high, bar.low), (price(f64::max), price(f64::min)));
            assert_eq!((bar.begin, bar.end), (own[0].time, own[own.len() - 1].time));
            assert_eq!(bar.volume, own.iter().map(|trade| trade.volume).sum::<f64>());
            assert_eq!(bar.value, own.iter().map(|trade| trade.price * trade.volume).sum::<f64>());
            assert_eq!(bar.vwap().is_some(), bar.volume > 0.0);
        }
        for bar in &closed {
            let (before, last) = match threshold {
                Threshold::Trades(count) => ((bar.trades - 1) as f64 / count as f64, bar.trades == count),
                Threshold::Volume(amount) => ((bar.volume - 8.0) / amount, bar.volume >= amount),
                Threshold::Value(amount) => ((bar.value - 8.0 * bar.high) / amount, bar.value >= amount),
            };
            assert!(before < 1.0 && last, "{bar:?}");
        }
        if let Threshold::Trades(count) = threshold {
            assert_eq!(closed.len() as u64, 5000 / count);
        }
    }
}

#[test]
fn pieces_and_single_trades_give_the_bars_of_the_whole_and_later_trades_change_none() {
    let trades = trades(3000, 2);
    for threshold in THRESHOLDS {
        let mut whole = Bars::new(threshold).unwrap();
        let expected = whole.extend(&trades).unwrap();
        let (mut bars, mut closed, mut random) = (Bars::new(threshold).unwrap(), Vec::new(), Random(9));
        let mut rest = &trades[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at((random.below(40) + 1).min(rest.len()));
            match random.below(2) {
                0 => closed.extend(bars.extend(now).unwrap()),
                _ => closed.extend(now.iter().filter_map(|trade| bars.push(*trade).unwrap())),
            }
            assert_eq!(closed[..], expected[..closed.len()]);
            let kept = serde_json::to_string(&bars).unwrap();
            bars = serde_json::from_str(&kept).unwrap();
            rest = later;
        }
        assert_eq!((closed, bars), (expected, whole));
    }
}

#[test]
fn bad_trades_are_refused_and_leave_the_bars_as_they_were() {
    let mut bars = Bars::new(Threshold::Trades(3)).unwrap();
    let good = Trade { time: 5, price: 10.0, volume: 1.0 };
    bars.push(good).unwrap();
    let before = bars.clone();
    let bad = [
        Trade { time: 4, ..good },
        Trade { price: f64::NAN, ..good },
        Trade { price: f64::INFINITY, ..good },
        Trade { volume: -1.0, ..good },
        Trade { price: 1e200, volume: 1e200, ..good },
    ];
    for trade in bad {
        assert!(bars.push(trade).is_err() && bars.extend(&[good, trade]).is_err());
        assert_eq!(bars, before);
    }
    let message = bars.push(bad[0]).unwrap_err().to_string();
    assert_eq!(message, "trade 1 is of 4 ns and the one before of 5 ns; sort the trades by time");
    for threshold in [Threshold::Trades(0), Threshold::Volume(f64::NAN), Threshold::Value(0.0)] {
        assert!(matches!(Bars::new(threshold), Err(BarsError::Threshold { .. })));
    }
}
