//! A plan for whoever does not want to choose: what the columns allow, in numbers without unit.

use crate::feature::error::PlanError;

pub(super) fn text(columns: &[&str]) -> Result<String, PlanError> {
    let has = |names: &[&str]| names.iter().all(|name| columns.contains(name));
    let quotes = has(&["bid", "ask"]);
    let price = match (has(&["close"]), quotes) {
        (true, _) => "close",
        (false, true) => "mid()",
        (false, false) => return Err(PlanError::NoDefault { columns: columns.join(", ") }),
    };
    let mut plan: Vec<String> = [
        "log_return(PRICE,1)",
        "log_return(PRICE,5)",
        "log_return(PRICE,15)",
        "ema(PRICE,12)/PRICE-1",
        "ema(PRICE,48)/PRICE-1",
        "rsi(PRICE,14)/100-0.5",
        "macd(PRICE,12,26,9).hist/PRICE",
        "percentb(PRICE,20)-0.5",
        "volatility(PRICE,20)",
        "zscore(PRICE,60)",
    ]
    .iter()
    .map(|feature| feature.replace("PRICE", price))
    .collect();
    let mut add = |feature: &str| plan.push(feature.to_owned());
    if has(&["high", "low", "close"]) {
        add("atr(14)/close");
        add("ibs()-0.5");
    }
    if has(&["high", "low", "close", "volume"]) {
        add("close/vwap_rolling(60)-1");
    }
    if has(&["close", "volume"]) {
        add("zscore(volume,60)");
    }
    if quotes {
        add("relative_spread()");
        add("zscore(spread(),60)");
    }
    if quotes && has(&["bid_size", "ask_size"]) {
        add("queue_imbalance()");
        add("microprice()/mid()-1");
    }
    if has(&["timestamp"]) {
        add("time_of_day()");
    }
    Ok(plan.join(", "))
}
