//! The 158 features of Qlib's Alpha158 as expressions of plans.
//!
//! Source: microsoft/qlib, qlib/contrib/data/loader.py. The differences: a feature is known only when its whole window is
//! (Qlib begins with what there is), and where a divisor is the range or the volume of a bar, a bar without any gives
//! the same as in Qlib, through the same 1e-12.

/// Windows of the rolling features, in rows.
const WINDOWS: [usize; 5] = [5, 10, 20, 30, 60];

/// Shapes of the bar, by Qlib's names.
const SHAPES: [(&str, &str); 9] = [
    ("KMID", "(close-open)/open"),
    ("KLEN", "(high-low)/open"),
    ("KMID2", "(close-open)/(high-low+1e-12)"),
    ("KUP", "(high-greater(open,close))/open"),
    ("KUP2", "(high-greater(open,close))/(high-low+1e-12)"),
    ("KLOW", "(lesser(open,close)-low)/open"),
    ("KLOW2", "(lesser(open,close)-low)/(high-low+1e-12)"),
    ("KSFT", "(2*close-high-low)/open"),
    ("KSFT2", "(2*close-high-low)/(high-low+1e-12)"),
];

/// Prices over the close.
const PRICES: [(&str, &str); 4] =
    [("OPEN0", "open/close"), ("HIGH0", "high/close"), ("LOW0", "low/close"), ("VWAP0", "vwap/close")];

/// Rolling features; N stands for the window and S for what makes a sample's deviation of a population's.
const ROLLING: [(&str, &str); 29] = [
    ("ROC", "lag(close,N)/close"),
    ("MA", "sma(close,N)/close"),
    ("STD", "stddev(close,N,S)/close"),
    ("BETA", "linearreg_slope(close,N)/close"),
    ("RSQR", "rsquare(close,N)"),
    ("RESI", "residual(close,N)/close"),
    ("MAX", "max(high,N)/close"),
    ("MIN", "min(low,N)/close"),
    ("QTLU", "quantile(close,N,0.8)/close"),
    ("QTLD", "quantile(close,N,0.2)/close"),
    ("RANK", "rank(close,N)"),
    ("RSV", "(close-min(low,N))/(max(high,N)-min(low,N)+1e-12)"),
    ("IMAX", "argmax(high,N)/N"),
    ("IMIN", "argmin(low,N)/N"),
    ("IMXD", "(argmax(high,N)-argmin(low,N))/N"),
    ("CORR", "correl(close,log1p(volume),N)"),
    ("CORD", "correl(rocr(close,1),log1p(rocr(volume,1)),N)"),
    ("CNTP", "sma(above(close,lag(close,1)),N)"),
    ("CNTN", "sma(above(lag(close,1),close),N)"),
    ("CNTD", "sma(above(close,lag(close,1)),N)-sma(above(lag(close,1),close),N)"),
    ("SUMP", "sum(positive(mom(close,1)),N)/(sum(abs(mom(close,1)),N)+1e-12)"),
    ("SUMN", "sum(positive(-mom(close,1)),N)/(sum(abs(mom(close,1)),N)+1e-12)"),
    (
        "SUMD",
        "(sum(positive(mom(close,1)),N)-sum(positive(-mom(close,1)),N))/(sum(abs(mom(close,1)),N)+1e-12)",
    ),
    ("VMA", "sma(volume,N)/(volume+1e-12)"),
    ("VSTD", "stddev(volume,N,S)/(volume+1e-12)"),
    ("WVMA", "stddev(abs(rocr(close,1)-1)*volume,N,S)/(sma(abs(rocr(close,1)-1)*volume,N)+1e-12)"),
    ("VSUMP", "sum(positive(mom(volume,1)),N)/(sum(abs(mom(volume,1)),N)+1e-12)"),
    ("VSUMN", "sum(positive(-mom(volume,1)),N)/(sum(abs(mom(volume,1)),N)+1e-12)"),
    (
        "VSUMD",
        "(sum(positive(mom(volume,1)),N)-sum(positive(-mom(volume,1)),N))/(sum(abs(mom(volume,1)),N)+1e-12)",
    ),
];

/// Name and expression of each feature, in Qlib's order.
pub(super) fn features() -> Vec<(String, String)> {
    let fixed = SHAPES.iter().chain(&PRICES).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let rolling = ROLLING.iter().flat_map(|(name, text)| {
        WINDOWS.map(|window| {
            let rows = window as f64;
            let sample = (rows / (rows - 1.0)).sqrt();
            let text = text.replace(",S)", &format!(",{sample})")).replace('N', &window.to_string());
            (format!("{name}{window}"), text)
        })
    });
    fixed.chain(rolling).collect()
}
