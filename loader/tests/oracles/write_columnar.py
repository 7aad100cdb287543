"""Writes the same tables as Parquet, Arrow and NumPy files in every way that pyarrow, Polars, pandas and NumPy do.

    write_columnar.py FOLDER

For each case: FOLDER/<file>, and FOLDER/<file>.<number>.bin with the values of each column of the import, as i64 or f64, little-endian.
Prints for each column "file TAB number TAB name TAB i|f TAB type" in the order of the import, and for text columns "file TAB number TAB
symbols TAB" with the symbols parted by "|". Values come from NumPy arrays that the files are made of, never from a file.
"""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

FOLDER = sys.argv[1]
ROWS = 20_000
rng = np.random.default_rng(5)

times = np.cumsum(rng.integers(0, 90, ROWS)).astype("i8") * 1_000_000_000 + 1_600_000_000_000_000_000
price = np.round(100 + np.cumsum(rng.normal(0, 0.02, ROWS)), 2)
size = rng.integers(0, 2**40, ROWS)
small = rng.integers(-100, 100, ROWS).astype("i1")
single = rng.normal(0, 1, ROWS).astype("f4")
flag = rng.random(ROWS) < 0.3
names = np.array(["EURUSD", "GBP,USD", "x\"y", "Ünï"])
order = rng.integers(0, 4, ROWS)
order[:6] = [2, 0, 2, 3, 1, 0]
symbol = names[order]
hole = rng.random(ROWS) < 0.05


def expect(file, columns):
    """columns: (name, values, type) in the order of the import."""
    for number, (name, values, kind) in enumerate(columns):
        values = np.asarray(values)
        if values.dtype.kind == "U":
            seen = list(dict.fromkeys(values.tolist()))
            print("\t".join([file, str(number), "symbols", "|".join(seen)]))
            values = np.array([seen.index(value) for value in values])
        sort = "f" if values.dtype.kind == "f" else "i"
        values.astype("<f8" if sort == "f" else "<i8").tofile(f"{FOLDER}/{file}.{number}.bin")
        print("\t".join([file, str(number), name, sort, kind]))


def timed(unit, zone=None):
    step = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}[unit]
    return pa.array(times // step, pa.int64()).cast(pa.timestamp(unit, zone))


# Everything that pyarrow writes, by compression, page version and row group.
first = True
for at, (compression, version, group) in enumerate(
    [("none", "1.0", 777), ("snappy", "2.0", 50_000), ("gzip", "1.0", 3000), ("zstd", "2.0", 4096), ("lz4", "1.0", 9999)]
):
    unit = ["s", "ms", "us", "ns", "ns"][at]
    table = pa.table({
        "Close": price, "time": timed(unit, [None, "UTC", "Europe/London"][at % 3]), "size": size, "small": small,
        "single": single, "flag": flag, "symbol": pa.array(symbol.tolist()).dictionary_encode() if at % 2 else pa.array(symbol.tolist()),
        "a/b": pa.array(np.where(hole, np.nan, price), mask=hole), "u4": size.astype("u4"), "half": single.astype("f2"),
    })
    file = f"pyarrow-{compression}.parquet"
    pq.write_table(table, f"{FOLDER}/{file}", compression=compression, data_page_version=version, row_group_size=group,
                   use_dictionary=at % 2 == 0)
    columns = [("timestamp", times, unit), ("close", price, "double"), ("size", size, "int64"), ("small", small, "int8"),
               ("single", single, "float"), ("flag", flag, "bool"), ("symbol", symbol, "string"),
               ("a_b", np.where(hole, np.nan, price), "double"), ("u4", size.astype("u4"), "uint32"), ("half", single.astype("f2"), "half")]
    expect(file, columns)
    if compression in ("none", "zstd", "lz4"):
        file = f"pyarrow-{compression}.arrow"
        packed = {"none": "uncompressed"}.get(compression, compression)
        feather.write_feather(table, f"{FOLDER}/{file}", compression=packed, chunksize=group)
        expect(file, columns)

# Polars: its texts are views, its categories dictionaries; its timestamps are in microseconds.
frame = pl.DataFrame({
    "t": pl.Series(times // 1000).cast(pl.Datetime("us", "UTC")), "p": price, "s": symbol.tolist(),
    "c": pl.Series(symbol.tolist()).cast(pl.Categorical), "n": size, "d": pl.Series(price).cast(pl.Decimal(12, 2)),
})
columns = [("timestamp", times, "us"), ("p", price, "f64"), ("s", symbol, "str"), ("c", symbol, "cat"), ("n", size, "i64"),
           ("d", price, "decimal")]
frame.write_parquet(f"{FOLDER}/polars.parquet", row_group_size=5000)
expect("polars.parquet", columns)
for packed in ("uncompressed", "zstd", "lz4"):
    frame.write_ipc(f"{FOLDER}/polars-{packed}.arrow", compression=packed)
    expect(f"polars-{packed}.arrow", columns)

# pandas: the time is the index, whole numbers may be of the nullable kind, a day is a date.
frame = pd.DataFrame({"open": price, "size": pd.array(size, "Int64")}, index=pd.DatetimeIndex(times, name="when", tz="UTC"))
frame.to_parquet(f"{FOLDER}/pandas.parquet")
expect("pandas.parquet", [("timestamp", times, "ns"), ("open", price, "double"), ("size", size, "int64")])
days = np.arange(ROWS) // 3
pq.write_table(pa.table({"date": pa.array(days.astype("i4")).cast(pa.date32()), "v": price}), f"{FOLDER}/dates.parquet")
expect("dates.parquet", [("timestamp", days * 86_400_000_000_000, "date32"), ("v", price, "double")])

# A whole number that is called time counts from 1970 in the unit that its size tells.
pq.write_table(pa.table({"ts": times // 1_000_000, "v": price}), f"{FOLDER}/epoch.parquet")
expect("epoch.parquet", [("timestamp", times, "int64"), ("v", price, "double")])

# NumPy: records, packed and aligned, both orders of bytes, moments, texts, arrays within; plain arrays of both orders.
for case, (order_of_bytes, align) in {"packed": ("<", False), "aligned": (">", True)}.items():
    o = order_of_bytes
    kind = np.dtype([("i", o + "i2"), ("when", o + "M8[ns]"), ("v", o + "f8"), ("s", o + "U8"), ("b", "S3"), ("q", o + "f4", (2,)),
                     ("in", [("x", "?"), ("y", o + "u2")])], align=align)
    records = np.zeros(ROWS, kind)
    records["i"], records["when"], records["v"], records["s"] = small, times.astype("M8[ns]"), price, symbol
    records["b"] = np.where(flag, b"yes", b"no")
    records["q"][:, 0], records["q"][:, 1] = single, -single
    records["in"]["x"], records["in"]["y"] = flag, size.astype("u2")
    np.save(f"{FOLDER}/records-{case}.npy", records)
    expect(f"records-{case}.npy", [("timestamp", times, "M8"), ("i", small, "i2"), ("v", price, "f8"), ("s", symbol, "U"),
                                   ("b", np.where(flag, "yes", "no"), "S"), ("q[0]", single, "f4"), ("q[1]", -single, "f4"),
                                   ("in_x", flag, "?"), ("in_y", size.astype("u2"), "u2")])
matrix = np.stack([price, -price, price * 3], axis=1)
for case, values in {"c": matrix, "fortran": np.asfortranarray(matrix), "big": matrix.astype(">f4"), "one": matrix[:, 0]}.items():
    np.save(f"{FOLDER}/plain-{case}.npy", values)
    if values.ndim == 1:
        expect(f"plain-{case}.npy", [("value", values, "f8")])
    else:
        expect(f"plain-{case}.npy", [(f"value[{at}]", values[:, at].astype("f8"), "f8") for at in range(3)])

# What is refused, or needs a word.
pq.write_table(pa.table({"t": timed("ns"), "n": pa.array(size, mask=hole)}), f"{FOLDER}/nulls.parquet")
pq.write_table(pa.table({"t": timed("ns"), "l": pa.array([[1]] * ROWS)}), f"{FOLDER}/list.parquet")
pq.write_table(pa.table({"a": timed("ns"), "b": timed("ns")}), f"{FOLDER}/twice.parquet")
pq.write_table(pa.table({"t": timed("ns").take(pa.array(np.r_[5000:ROWS, :5000])), "v": price}), f"{FOLDER}/unsorted.parquet")
pq.write_table(pa.table({"u": pa.array([1, 2**63], pa.uint64())}), f"{FOLDER}/unsigned.parquet")
pq.write_table(pa.table({"t": pa.array([2**62], pa.timestamp("us"))}), f"{FOLDER}/far.parquet")
pq.write_table(pa.table({"s": [str(at) for at in range(ROWS)]}), f"{FOLDER}/texts.parquet")
np.save(f"{FOLDER}/objects.npy", np.array([None, 1], dtype=object), allow_pickle=True)
size[~hole].astype("<i8").tofile(f"{FOLDER}/kept.bin")
np.where(hole, np.nan, size.astype("f8")).tofile(f"{FOLDER}/floats.bin")
