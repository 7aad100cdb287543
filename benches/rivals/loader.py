"""The readers beside `benches/loader_rivals.rs`: one request a line of JSON on standard input, one answer a line.

    {"task": "write", "rows": N, "folder": F}    writes the same float32 matrix in every format
    {"task": "read", "library": L, "path": P}    reads it whole; seconds, and the sum of its values
    {"task": "windows", "path": P, "count": N}   random windows of 60 rows through h5py
    {"task": "chunks", "path": P, "count": N}    writes a column of N chunks of 8 rows, whose values are their rows

Libraries that are not installed answer with {"missing": name}.
"""

import importlib
import json
import os
import sys
import time

import h5py
import hdf5plugin
import numpy as np

WIDTH, CHUNK = 12, 16384
FILTERS = {
    "zstd": dict(shuffle=True, **hdf5plugin.Zstd(clevel=3)),
    "gzip": dict(shuffle=True, compression="gzip", compression_opts=4),
}


def blocks(rows):
    """Prices that walk in steps of a hundredth, volumes, and noise: what compresses, what does a little, what does not."""
    rng = np.random.default_rng(7)
    price = 100.0
    for first in range(0, rows, CHUNK * 16):
        count = min(CHUNK * 16, rows - first)
        walk = np.cumsum(rng.normal(0, 0.02, count)) + price
        price = walk[-1]
        block = np.empty((count, WIDTH), "<f4")
        for column in range(6):
            block[:, column] = np.round(walk + rng.normal(0, 0.01, count), 2)
        for column in range(6, 9):
            block[:, column] = np.round(rng.lognormal(3, 1, count), 0)
        for column in range(9, 12):
            block[:, column] = rng.normal(0, 1, count)
        yield first, block


def write(request):
    rows, folder = request["rows"], request["folder"]
    files = {name: h5py.File(f"{folder}/{name}.h5", "w") for name in FILTERS}
    data = {
        name: file.create_dataset("m", (rows, WIDTH), "<f4", chunks=(CHUNK, WIDTH), **FILTERS[name])
        for name, file in files.items()
    }
    parquet = None
    for first, block in blocks(rows):
        for dataset in data.values():
            dataset[first : first + len(block)] = block
        try:
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table({f"c{at}": block[:, at].copy() for at in range(WIDTH)})
            if parquet is None:
                parquet = pyarrow.parquet.ParquetWriter(
                    f"{folder}/zstd.parquet", table.schema, compression="zstd", compression_level=3)
            parquet.write_table(table)
        except ImportError:
            pass
    for file in [*files.values(), parquet]:
        if file is not None:
            file.close()
    return {"seconds": 0.0, "sum": 0.0}


def read(request):
    library, path = request["library"], request["path"]
    if library == "h5py":
        with h5py.File(path, "r") as file:
            dataset = file["m"]
            out = np.empty(dataset.shape, dataset.dtype)
            start = time.perf_counter()
            dataset.read_direct(out)
            seconds = time.perf_counter() - start
        return {"seconds": seconds, "sum": float(out[:, 0].sum(dtype="f8"))}
    try:
        module = importlib.import_module("pyarrow.parquet" if library == "pyarrow" else "polars")
    except ImportError:
        return {"missing": library}
    if not os.path.exists(path):
        return {"missing": f"pyarrow, to write {path}"}
    start = time.perf_counter()
    if library == "pyarrow":
        first = module.read_table(path, use_threads=True).column(0).to_numpy()
    else:
        first = module.read_parquet(path).get_column("c0").to_numpy()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "sum": float(first.sum(dtype="f8"))}


def windows(request):
    rng = np.random.default_rng(1)
    total = 0.0
    with h5py.File(request["path"], "r") as file:
        dataset = file["m"]
        starts = rng.integers(0, len(dataset) - 60, request["count"])
        start = time.perf_counter()
        for row in starts:
            total += float(dataset[row : row + 60][0, 0])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "sum": total}


def chunks(request):
    rows, step = 8, 1 << 16
    with h5py.File(request["path"], "w", libver="latest") as file:
        data = file.create_dataset("m", (request["count"] * rows,), "<f4", chunks=(rows,))
        column = np.arange(request["count"] * rows, dtype="<f4")
        for first in range(0, len(column), step * rows):
            data[first : first + step * rows] = column[first : first + step * rows]
    return {"seconds": 0.0, "sum": 0.0}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"write": write, "read": read, "windows": windows, "chunks": chunks}[request["task"]](request)), flush=True)
