"""What the features without a TA-Lib name should be, in NumPy, written from their formulas.

Input: rows of float64 columns named by the arguments, row-major. Output: float64, row-major, one column for
each expression in EXPECTED, in order. Each value comes from its own window in two passes; nothing is carried
from row to row, so errors cannot pile up.
"""

import sys

import numpy as np

names = sys.argv[1:]
table = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8").reshape(-1, len(names))
data = {name: table[:, place].astype(np.longdouble) for place, name in enumerate(names)}
rows = len(table)


def windows(x, n, f):
    out = np.full(rows, np.nan, dtype=np.longdouble)
    for row in range(n - 1, rows):
        window = x[row - n + 1 : row + 1]
        if not np.isnan(window).any():
            out[row] = f(window)
    return out


def lag(x, n):
    return np.concatenate([np.full(n, np.nan), x[:-n]]) if n else x


def zscore(x, n):
    return windows(x, n, lambda w: (w[-1] - w.mean()) / w.std() if w.std() > 0 else 0.0)


def rolling_sum(x, n):
    return windows(x, n, np.sum)


high, low, close, volume = (data[name] for name in ("high", "low", "close", "volume"))
bid, ask, bid_size, ask_size = (data[name] for name in ("bid", "ask", "bid_size", "ask_size"))
returns = np.log(close / lag(close, 1))
typical = (high + low + close) / 3
day = (data["timestamp"] // np.longdouble(86400e9)).astype(int)
session = np.array([
    (typical * volume)[: row + 1][day[: row + 1] == day[row]].sum() / volume[: row + 1][day[: row + 1] == day[row]].sum()
    for row in range(rows)
])
angle = 2 * np.pi * (data["timestamp"] % np.longdouble(86400e9)) / np.longdouble(86400e9)
monday = np.longdouble(4 * 86400e9)
week = 2 * np.pi * ((data["timestamp"] - monday) % np.longdouble(604800e9)) / np.longdouble(604800e9)

EXPECTED = {
    "log_return(close,1)": returns,
    "log_return(close,7)": np.log(close / lag(close, 7)),
    "volatility(close,20)": windows(returns, 20, lambda w: w.std(ddof=1)),
    "zscore(close,20)": zscore(close, 20),
    "zscore(volume,100)": zscore(volume, 100),
    "vwap_rolling(high,low,close,volume,60)": rolling_sum(typical * volume, 60) / rolling_sum(volume, 60),
    "vwap_session(high,low,close,volume,timestamp,0)": session,
    "hl_range(high,low,close)": (high - low) / close,
    "mid(bid,ask)": (bid + ask) / 2,
    "spread(bid,ask)": ask - bid,
    "relative_spread(bid,ask)": (ask - bid) / ((bid + ask) / 2),
    "microprice(bid,ask,bid_size,ask_size)": (ask * bid_size + bid * ask_size) / (bid_size + ask_size),
    "queue_imbalance(bid_size,ask_size)": (bid_size - ask_size) / (bid_size + ask_size),
    "time_of_day(timestamp,0).sin": np.sin(angle),
    "time_of_day(timestamp,0).cos": np.cos(angle),
    "time_of_week(timestamp,0).sin": np.sin(week),
    "time_of_week(timestamp,0).cos": np.cos(week),
    "abs(close-100)": abs(close - 100),
    "lag(close,3)": lag(close, 3),
    "clip(close,99,101)": np.clip(close, 99, 101),
}

header = "\n".join(EXPECTED) + "\n\n"
sys.stdout.buffer.write(header.encode())
sys.stdout.buffer.write(np.column_stack([np.asarray(x, dtype="<f8") for x in EXPECTED.values()]).tobytes())
