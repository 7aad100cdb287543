"""Polars beside `benches/import.rs`: one request a line of JSON on standard input, one answer a line.

    {"task": "read", "path": P}              parses a CSV file whole, times and all, into memory; seconds, and the sum of its closes
    {"task": "numbers", "path": P}           the same with times left as texts
    {"task": "parquet", "path": P, "to": T}  turns it into Parquet with zstd, streaming
"""

import json
import sys
import time

import polars as pl


def scan(path):
    frame = pl.scan_csv(path, schema_overrides={name: pl.Float64 for name in ("open", "high", "low", "close", "volume")})
    return frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ns"))


for line in sys.stdin:
    request = json.loads(line)
    start = time.perf_counter()
    if request["task"] == "read":
        total = scan(request["path"]).collect()["close"].sum()
    elif request["task"] == "numbers":
        total = pl.read_csv(request["path"])["close"].sum()
    else:
        scan(request["path"]).sink_parquet(request["to"], compression="zstd", compression_level=3)
        total = None
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "sum": total}), flush=True)
