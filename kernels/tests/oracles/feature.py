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


def pair_windows(x, y, n, f):
    out = np.full(rows, np.nan, dtype=np.longdouble)
    for row in range(n - 1, rows):
        a, b = x[row - n + 1 : row + 1], y[row - n + 1 : row + 1]
        if not (np.isnan(a).any() or np.isnan(b).any()):
            out[row] = f(a, b)
    return out


def quantile(share):
    def f(w):
        place = np.longdouble(share) * (len(w) - 1)
        sorted_window, lower = np.sort(w), int(place)
        upper = min(lower + 1, len(w) - 1)
        return sorted_window[lower] + (sorted_window[upper] - sorted_window[lower]) * (place - lower)

    return f


def mad(w):
    return quantile(0.5)(np.abs(w - quantile(0.5)(w)))


def rank(w):
    return ((w < w[-1]).sum() + ((w == w[-1]).sum() + np.longdouble(1)) / 2) / len(w)


def line(w):
    """Mean and slope over the row number."""
    t = np.arange(len(w), dtype=np.longdouble) - np.longdouble(len(w) - 1) / 2
    return w.mean(), (t * (w - w.mean())).sum() / (t * t).sum()


def rsquare(w):
    _, slope = line(w)
    return slope**2 * (np.longdouble(len(w)) ** 2 - 1) / 12 / w.var()


def residual(w):
    mean, slope = line(w)
    return w[-1] - mean - slope * np.longdouble(len(w) - 1) / 2


def skew(w):
    n, d = np.longdouble(len(w)), w - w.mean()
    return np.sqrt(n * (n - 1)) / (n - 2) * (d**3).mean() / (d**2).mean() ** np.longdouble(1.5)


def exponential(x, period):
    """Mean seeded with the first known values, by its recursion."""
    out, seen = np.full(rows, np.nan, dtype=np.longdouble), []
    take = np.longdouble(2) / (period + 1)
    for row in range(rows):
        if np.isnan(x[row]):
            continue
        if len(seen) < period:
            seen.append(x[row])
            value = np.mean(seen)
        else:
            value = take * x[row] + (1 - take) * value
        if len(seen) == period:
            out[row] = value
    return out


def tick_rule(x):
    out, sign = np.full(rows, np.nan, dtype=np.longdouble), np.nan
    for row in range(1, rows):
        sign = np.sign(x[row] - x[row - 1]) or sign
        out[row] = sign
    return out


def since(event):
    out, last = np.full(rows, np.nan, dtype=np.longdouble), np.nan
    for row in range(rows):
        last = data["timestamp"][row] if event[row] else last
        out[row] = (data["timestamp"][row] - last) / np.longdouble(1e9)
    return out


high, low, close, volume = (data[name] for name in ("high", "low", "close", "volume"))
added, cancelled = data["added"], data["cancelled"]
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

open_ = data["open"]


def level(k):
    return [data[name if k == 1 else f"{name}_{k}"] for name in ("bid", "ask", "bid_size", "ask_size")]


def depth_imbalance(levels, decay):
    weights = [np.exp(np.longdouble(-decay) * k) for k in range(levels)]
    bids = sum(weights[k] * level(k + 1)[2] for k in range(levels))
    asks = sum(weights[k] * level(k + 1)[3] for k in range(levels))
    return (bids - asks) / (bids + asks)


def order_flow(k, n):
    """Cont, Kukanov and Stoikov, event by event."""
    bids, asks, bid_sizes, ask_sizes = level(k)
    events = np.full(rows, np.nan, dtype=np.longdouble)
    for row in range(1, rows):
        event = 0
        if bids[row] >= bids[row - 1]:
            event += bid_sizes[row]
        if bids[row] <= bids[row - 1]:
            event -= bid_sizes[row - 1]
        if asks[row] <= asks[row - 1]:
            event -= ask_sizes[row]
        if asks[row] >= asks[row - 1]:
            event += ask_sizes[row - 1]
        events[row] = event
    return rolling_sum(events, n)


def book_slope(levels):
    middle, sides = (level(1)[0] + level(1)[1]) / 2, []
    for side in (0, 1):
        prices = [middle] + [level(k + 1)[side] for k in range(levels)]
        depth = np.log(np.cumsum([level(k + 1)[2 + side] for k in range(levels)], axis=0))
        total = depth[0] / abs(prices[1] / prices[0] - 1)
        for k in range(1, levels):
            total = total + (depth[k] / depth[k - 1] - 1) / abs(prices[k + 1] / prices[k] - 1)
        sides.append(total / levels)
    return (sides[0] + sides[1]) / 2


def mean(x, n):
    return windows(x, n, np.mean)


up_log, down_log = np.log(high / close) * np.log(high / open_), np.log(low / close) * np.log(low / open_)
inside = up_log + down_log
share = np.longdouble("0.34") / (np.longdouble("1.34") + np.longdouble(21) / 19)
yang_zhang = np.sqrt(
    windows(np.log(open_ / lag(close, 1)), 20, lambda w: w.var(ddof=1))
    + share * windows(np.log(close / open_), 20, lambda w: w.var(ddof=1))
    + (1 - share) * mean(inside, 20)
)
ewm = exponential(close, 30)
keep = np.longdouble(29) / 31
ewm_var = exponential(keep * (close - lag(ewm, 1)) ** 2, 30)
sign = tick_rule(close)
middle = (bid + ask) / 2
hour = (data["timestamp"] % np.longdouble(86400e9)) / np.longdouble(3600e9)
moved = np.concatenate([[False], close[1:] != close[:-1]])

EXPECTED = {
    "rsquare(close,20)": windows(close, 20, rsquare),
    "residual(close,20)": windows(close, 20, residual),
    "cov(close,volume,20)": pair_windows(close, volume, 20, lambda a, b: ((a - a.mean()) * (b - b.mean())).mean()),
    "quantile(close,20,0.5)": windows(close, 20, quantile(0.5)),
    "quantile(close,60,0.8)": windows(close, 60, quantile(0.8)),
    "quantile(volume,100,0.03)": windows(volume, 100, quantile(0.03)),
    "rank(close,20)": windows(close, 20, rank),
    "rank(volume,130)": windows(volume, 130, rank),
    "mad(close,20)": windows(close, 20, mad),
    "mad(volume,101)": windows(volume, 101, mad),
    "skew(close,30)": windows(close, 30, skew),
    "since_min(low,30)": windows(low, 30, lambda w: np.argmin(w[::-1])),
    "since_max(high,30)": windows(high, 30, lambda w: np.argmax(w[::-1])),
    "argmin(volume,30)": windows(volume, 30, lambda w: np.argmin(w) + 1),
    "argmax(volume,30)": windows(volume, 30, lambda w: np.argmax(w) + 1),
    "parkinson(high,low,20)": np.sqrt(mean(np.log(high / low) ** 2, 20) / (4 * np.log(np.longdouble(2)))),
    "garman_klass(open,high,low,close,20)": np.sqrt(
        mean(np.log(high / low) ** 2 / 2 - (2 * np.log(np.longdouble(2)) - 1) * np.log(close / open_) ** 2, 20)
    ),
    "yang_zhang(open,high,low,close,20)": yang_zhang,
    "realised_variance(close,60)": rolling_sum(returns**2, 60),
    "bipower_variation(close,60)": np.pi / 2 * rolling_sum(abs(returns) * abs(lag(returns, 1)), 59),
    "depth_imbalance5(bid_size,ask_size,bid_size_2,ask_size_2,bid_size_3,ask_size_3,bid_size_4,ask_size_4,bid_size_5,ask_size_5,0.5)": depth_imbalance(5, 0.5),
    "depth_imbalance10(decay=0)": depth_imbalance(10, 0),
    **{f"mlofi5(3).level{k}": order_flow(k, 3) for k in range(1, 6)},
    **{f"mlofi10(1).level{k}": order_flow(k, 1) for k in (1, 6, 10)},
    "book_slope5()": book_slope(5),
    "book_slope10()": book_slope(10),
    "ofi(20)": order_flow(1, 20),
    "trade_sign(close)": sign,
    "lee_ready(open,bid,ask)": np.where(open_ == middle, tick_rule(open_), np.sign(open_ - middle)) + 0 * tick_rule(open_),
    "signed_volume(close,volume,20)": rolling_sum(sign * volume, 20),
    "cancel_rate(cancelled,added,20)": rolling_sum(cancelled, 20) / rolling_sum(added, 20),
    "cancel_rate(cancelled,added,3)": rolling_sum(cancelled, 3) / rolling_sum(added, 3),
    "trade_imbalance(close,volume,20)": rolling_sum(sign * volume, 20) / rolling_sum(volume + 0 * sign, 20),
    "since_change(close,timestamp)": since(moved),
    "since_trade(volume,timestamp)": since(volume > 0),
    "robust_zscore(close,60,3)": np.clip(
        (close - windows(close, 60, quantile(0.5))) / (np.longdouble("1.4826") * windows(close, 60, mad)), -3, 3
    ),
    "winsorise(volume,60,0.1,0.9)": np.clip(
        volume, windows(volume, 60, quantile(0.1)), windows(volume, 60, quantile(0.9))
    ),
    "ewm_var(close,30)": ewm_var,
    "ewm_zscore(close,30)": (close - ewm) / np.sqrt(ewm_var),
    "fill(ln(volume-500),5)": None,
    "session(timestamp,8,16.5,0)": ((hour >= 8) & (hour < 16.5)).astype(float),
    "log1p(volume)": np.log1p(volume),
    "positive(close-100)": np.maximum(close - 100, 0),
    "greater(close,open)": np.maximum(close, open_),
    "lesser(close,open)": np.minimum(close, open_),
    "above(close,open)": (close > open_).astype(float),
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

gaps = np.array([np.log(v - 500) if v > 500 else np.nan for v in volume])
EXPECTED["fill(ln(volume-500),5)"] = np.array([
    next((gaps[row - age] for age in range(6) if row >= age and not np.isnan(gaps[row - age])), np.nan)
    for row in range(rows)
])

header = "\n".join(EXPECTED) + "\n\n"
sys.stdout.buffer.write(header.encode())
sys.stdout.buffer.write(np.column_stack([np.asarray(x, dtype="<f8") for x in EXPECTED.values()]).tobytes())
