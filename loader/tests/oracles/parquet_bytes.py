"""Writes the columns of each table as Parquet with zstd level 3, as pyarrow and Polars do by themselves, and prints both
sizes.

    parquet_bytes.py TABLE.h5...
"""

import os
import sys
import tempfile

import h5py
import hdf5plugin  # noqa: F401
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

for path in sys.argv[1:]:
    with h5py.File(path) as file, tempfile.TemporaryDirectory() as folder:
        table = pa.table({name: file[name][:] for name in file.attrs["columns"]})
        at = table.column_names.index("timestamp")
        table = table.set_column(at, "timestamp", table.column(at).cast(pa.timestamp("ns", "UTC")))
        pq.write_table(table, f"{folder}/a", compression="zstd", compression_level=3)
        pl.from_arrow(table).write_parquet(f"{folder}/b", compression="zstd", compression_level=3)
        print(*(os.path.getsize(f"{folder}/{name}") for name in "ab"))
