"""Reads an export back with the programs that it is for and compares every value with what h5py reads from the table.

    read_exports.py TABLE.h5 FOLDER

FOLDER has out.parquet, out.arrow, out.csv and out.npy. Prints the number of values compared.
"""

import sys

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import ours
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

path, folder = sys.argv[1:]
compared = 0


def same(found, expected, what):
    global compared
    found = np.asarray(found)
    assert len(found) == len(expected), what
    if expected.dtype.kind == "f":
        assert (found.astype("f8").view("i8") == expected.view("i8")).all() or np.array_equal(found, expected, equal_nan=True), what
    else:
        assert (found == expected).all(), what
    compared += len(expected)


with h5py.File(path) as file:
    names = list(file.attrs["columns"])
    table = {name: ours.values(file[name]) for name in names}
    symbols = {name: np.array(file[name].attrs["symbols"]) for name in names if "symbols" in file[name].attrs}

times = {"timestamp"} & set(names)
for found in (pq.read_table(f"{folder}/out.parquet"), feather.read_table(f"{folder}/out.arrow")):
    assert found.column_names == names
    for name in names:
        column = found.column(name).combine_chunks()
        if name in times:
            assert column.type == pa.timestamp("ns", "UTC"), column.type
            same(column.cast(pa.int64()).to_numpy(), table[name], name)
        elif name in symbols:
            same(np.array(column.to_pylist(), object), symbols[name][table[name]], name)
        else:
            same(column.to_numpy(zero_copy_only=False), table[name], name)
for frame in (pl.read_parquet(f"{folder}/out.parquet"), pl.read_ipc(f"{folder}/out.arrow")):
    for name in names:
        column = frame[name]
        if name in times:
            same(column.dt.timestamp("ns").to_numpy(), table[name], name)
        elif name in symbols:
            same(np.array(column.cast(pl.String).to_list(), object), symbols[name][table[name]], name)
        else:
            same(column.to_numpy(), table[name], name)
frame = pd.read_csv(f"{folder}/out.csv", float_precision="round_trip", keep_default_na=False, na_values=[""])
for name in names:
    if name in times:
        same(pd.to_datetime(frame[name], utc=True, format="ISO8601").astype("i8").to_numpy(), table[name], name)
    elif name in symbols:
        same(frame[name].to_numpy(object), symbols[name][table[name]], name)
    else:
        same(frame[name].to_numpy(), table[name], name)
records = np.load(f"{folder}/out.npy")
for name in names:
    same(records[name], table[name], name)
print(compared)
