"""The 158 features of Qlib's Alpha158, by their formulas in pandas.

Formulas: microsoft/qlib, qlib/contrib/data/loader.py, Alpha158DL.get_feature_config with its defaults. Windows are full
windows; Qlib begins with what there is. Input: rows of float64 columns named by the arguments, row-major. Output:
float64, row-major, one column for each name, in order.
"""

import sys

import numpy as np
import pandas as pd

names = sys.argv[1:]
table = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8").reshape(-1, len(names))
o, h, l, c, v, vwap = (pd.Series(table[:, names.index(x)]) for x in ("open", "high", "low", "close", "volume", "vwap"))
E = 1e-12


def both(a, b, f):
    return pd.Series(f(a.to_numpy(), b.to_numpy()))


def fit(window):
    """Slope, determination and residual of a line over 1 to n."""
    n = len(window)
    x = np.arange(1, n + 1)
    slope, intercept = np.polyfit(x - x.mean(), window - window[0], 1)
    line = intercept + slope * (x - x.mean())
    rest = window - window[0] - line
    total = ((window - window.mean()) ** 2).sum()
    return slope, 1 - (rest**2).sum() / total, rest[-1]


out = {
    "KMID": (c - o) / o,
    "KLEN": (h - l) / o,
    "KMID2": (c - o) / (h - l + E),
    "KUP": (h - both(o, c, np.maximum)) / o,
    "KUP2": (h - both(o, c, np.maximum)) / (h - l + E),
    "KLOW": (both(o, c, np.minimum) - l) / o,
    "KLOW2": (both(o, c, np.minimum) - l) / (h - l + E),
    "KSFT": (2 * c - h - l) / o,
    "KSFT2": (2 * c - h - l) / (h - l + E),
    "OPEN0": o / c,
    "HIGH0": h / c,
    "LOW0": l / c,
    "VWAP0": vwap / c,
}
ref = c.shift(1)
rise, fall = (c > ref).astype(float).where(ref.notna()), (c < ref).astype(float).where(ref.notna())
move, vmove = c - ref, v - v.shift(1)
weighted = (c / ref - 1).abs() * v


def up(x):
    return x.clip(lower=0)


def share(x, n):
    return x.rolling(n).sum() / (move.abs().rolling(n).sum() + E)


def vshare(x, n):
    return x.rolling(n).sum() / (vmove.abs().rolling(n).sum() + E)


def argmax(w):
    return w.argmax() + 1


def argmin(w):
    return w.argmin() + 1


def lines(n, which):
    return c.rolling(n).apply(lambda w: fit(w)[which], raw=True)


ROLLING = {
    "ROC": lambda n: c.shift(n) / c,
    "MA": lambda n: c.rolling(n).mean() / c,
    "STD": lambda n: c.rolling(n).std() / c,
    "BETA": lambda n: lines(n, 0) / c,
    "RSQR": lambda n: lines(n, 1),
    "RESI": lambda n: lines(n, 2) / c,
    "MAX": lambda n: h.rolling(n).max() / c,
    "MIN": lambda n: l.rolling(n).min() / c,
    "QTLU": lambda n: c.rolling(n).quantile(0.8) / c,
    "QTLD": lambda n: c.rolling(n).quantile(0.2) / c,
    "RANK": lambda n: c.rolling(n).rank(pct=True),
    "RSV": lambda n: (c - l.rolling(n).min()) / (h.rolling(n).max() - l.rolling(n).min() + E),
    "IMAX": lambda n: h.rolling(n).apply(argmax, raw=True) / n,
    "IMIN": lambda n: l.rolling(n).apply(argmin, raw=True) / n,
    "IMXD": lambda n: (h.rolling(n).apply(argmax, raw=True) - l.rolling(n).apply(argmin, raw=True)) / n,
    "CORR": lambda n: c.rolling(n).corr(np.log(v + 1)),
    "CORD": lambda n: (c / ref).rolling(n).corr(np.log(v / v.shift(1) + 1)),
    "CNTP": lambda n: rise.rolling(n).mean(),
    "CNTN": lambda n: fall.rolling(n).mean(),
    "CNTD": lambda n: rise.rolling(n).mean() - fall.rolling(n).mean(),
    "SUMP": lambda n: share(up(move), n),
    "SUMN": lambda n: share(up(-move), n),
    "SUMD": lambda n: share(up(move), n) - share(up(-move), n),
    "VMA": lambda n: v.rolling(n).mean() / (v + E),
    "VSTD": lambda n: v.rolling(n).std() / (v + E),
    "WVMA": lambda n: weighted.rolling(n).std() / (weighted.rolling(n).mean() + E),
    "VSUMP": lambda n: vshare(up(vmove), n),
    "VSUMN": lambda n: vshare(up(-vmove), n),
    "VSUMD": lambda n: vshare(up(vmove), n) - vshare(up(-vmove), n),
}
for name, f in ROLLING.items():
    for n in (5, 10, 20, 30, 60):
        out[f"{name}{n}"] = f(n)

sys.stdout.buffer.write(("\n".join(out) + "\n\n").encode())
sys.stdout.buffer.write(np.column_stack(list(out.values())).astype("<f8").tobytes())
