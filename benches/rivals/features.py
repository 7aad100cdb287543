"""polars-talib beside `benches/feature_rivals.rs`: one request a line of JSON on standard input, one answer a line.

    {"task": "open", "path": P, "symbols": S, "rows": R}   reads high, low and close, f64, symbol after symbol; the threads of Polars
    {"task": "compute"}                                    all features of all symbols; seconds, and the sum of what is known
"""

import json
import sys
import time

import numpy as np
import polars as pl
import polars_talib as ta

frame = None


def features():
    high, low, close = (pl.col(name) for name in ("high", "low", "close"))
    each = {
        "rocp1": ta.rocp(close, timeperiod=1),
        "ema12": ta.ema(close, timeperiod=12),
        "ema26": ta.ema(close, timeperiod=26),
        "macd": ta.macd(close, 12, 26, 9),
        "rsi": ta.rsi(close, timeperiod=14),
        "sma": ta.sma(close, timeperiod=20),
        "stddev": ta.stddev(close, timeperiod=20),
        "bbands": ta.bbands(close, timeperiod=20),
        "rocp10": ta.rocp(close, timeperiod=10),
        "atr": ta.atr(high, low, close, timeperiod=14),
    }
    return [value.over("symbol").alias(name) for name, value in each.items()]


for line in sys.stdin:
    request = json.loads(line)
    if request["task"] == "open":
        symbols, rows = request["symbols"], request["rows"]
        columns = np.fromfile(request["path"], "<f8").reshape(3, symbols * rows)
        frame = pl.DataFrame({
            "symbol": np.repeat(np.arange(symbols, dtype=np.int32), rows),
            **dict(zip(("high", "low", "close"), columns)),
        })
        print(json.dumps({"threads": pl.thread_pool_size()}), flush=True)
        continue
    start = time.perf_counter()
    computed = frame.select(features())
    seconds = time.perf_counter() - start
    flat = computed.unnest("macd", "bbands")
    total = sum(flat[name].fill_nan(None).sum() for name in flat.columns)
    print(json.dumps({"seconds": seconds, "sum": total}), flush=True)
