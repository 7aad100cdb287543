"""What pandas and Polars say of rolling windows.

Input: rows of the float64 columns close and volume, row-major. Output: float64, row-major, one column for each plan
expression, in order. Where pandas and Polars disagree by more than rounding, the script fails.
"""

import sys

import numpy as np
import pandas as pd
import polars as pl

names = sys.argv[1:]
table = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8").reshape(-1, len(names))
close, volume = (pd.Series(table[:, names.index(name)]) for name in ("close", "volume"))
close_pl = pl.Series(close).fill_nan(None)
N = 20


def ewm(x, period):
    """pandas begins with one value; ours with the mean of the first ones, as TA-Lib does."""
    x = x.copy()
    place = np.flatnonzero(x.notna().cumsum() == period)[0]
    seed = x[: place + 1].mean()
    x[:place], x[place] = np.nan, seed
    return x.ewm(span=period, adjust=False, ignore_na=True).mean().where(x.notna())


rolling = close.rolling(N)
EXPECTED = {
    "sma(close,20)": (rolling.mean(), close_pl.rolling_mean(N)),
    "sum(close,20)": (rolling.sum(), close_pl.rolling_sum(N)),
    "var(close,20)": (rolling.var(ddof=0), close_pl.rolling_var(N, ddof=0)),
    "stddev(close,20)": (rolling.std(ddof=0), close_pl.rolling_std(N, ddof=0)),
    "min(close,20)": (rolling.min(), close_pl.rolling_min(N)),
    "max(close,20)": (rolling.max(), close_pl.rolling_max(N)),
    "median(close,20)": (rolling.median(), close_pl.rolling_median(N)),
    "quantile(close,20,0.3)": (rolling.quantile(0.3), close_pl.rolling_quantile(0.3, interpolation="linear", window_size=N)),
    "rank(close,20)": (rolling.rank(pct=True), None),
    # Window by window: pandas' running sums of powers keep only seven digits here.
    "skew(close,20)": (rolling.apply(lambda window: window.skew()), None),
    "kurtosis(close,20)": (rolling.apply(lambda window: window.kurt()), None),
    "cov(close,volume,20)": (rolling.cov(volume, ddof=0), None),
    "correl(close,volume,20)": (rolling.corr(volume), None),
    "ema(close,12)": (ewm(close, 12), None),
    "rocp(close,3)": (close.pct_change(3, fill_method=None), None),
    "mom(close,7)": (close.diff(7), close_pl.diff(7)),
    "lag(close,4)": (close.shift(4), close_pl.shift(4)),
    "fill(close,2)": (close.ffill(limit=2), close_pl.fill_null(strategy="forward", limit=2)),
}

columns = []
for name, (pandas, polars) in EXPECTED.items():
    values = pandas.to_numpy(dtype="float64")
    if polars is not None:
        other = polars.to_numpy().astype("float64")
        assert np.allclose(values, other, rtol=1e-8, atol=1e-10, equal_nan=True), name
    columns.append(values)

sys.stdout.buffer.write(("\n".join(EXPECTED) + "\n\n").encode())
sys.stdout.buffer.write(np.column_stack(columns).astype("<f8").tobytes())
