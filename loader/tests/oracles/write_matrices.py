"""Writes tables with two-dimensional data sets, in every division into chunks.

    write_matrices.py FOLDER

For each case: FOLDER/<case>.h5, and for each column FOLDER/<case>.<column>.f64 with the values as h5py reads them back,
as little-endian float64. Prints one line "case column column ..." for each.
"""

import itertools
import sys

import h5py
import hdf5plugin
import numpy as np

FOLDER = sys.argv[1]
ROWS, WIDTH = 2500, 7
rng = np.random.default_rng(12)


def values(kind, shape=(ROWS, WIDTH)):
    return np.round(rng.normal(100, 10, shape), 2).astype(kind)


def done(case, columns):
    for name, column in columns.items():
        column.astype("<f8").tofile(f"{FOLDER}/{case}.{name}.f64")
    print(case, *columns)


FILTERS = {
    "plain": {},
    "zstd": dict(shuffle=True, **hdf5plugin.Zstd(clevel=3)),
    "all": dict(shuffle=True, fletcher32=True, compression="gzip"),
}
CHUNKS = {"whole": None, "rows": (400, WIDTH), "one": (ROWS, WIDTH), "grid": (300, 3), "tall": (999, 1), "wide": (128, 2 * WIDTH)}
BOUNDS = {"earliest": "earliest", "v110": ("v110", "v110"), "latest": "latest"}
for (bound, libver), (name, filters), (shape, chunks), kind in itertools.product(
    BOUNDS.items(), FILTERS.items(), CHUNKS.items(), ["<f4", "<f8", ">f4", "<i4"]
):
    if chunks is None and filters:
        continue
    case = f"{bound}-{name}-{shape}-{kind[1:]}{'b' if kind[0] == '>' else ''}"
    data = values(kind)
    limits = dict(maxshape=(10 * ROWS, 2 * WIDTH)) if shape == "wide" else {}
    with h5py.File(f"{FOLDER}/{case}.h5", "w", libver=libver) as file:
        file.create_dataset("m", data=data, chunks=chunks, **limits, **filters)
        file.create_dataset("time", data=np.arange(ROWS), chunks=(700,))
    done(case, {**{f"m[{at}]": data[:, at] for at in range(WIDTH)}, "time": np.arange(ROWS)})

# Names beside the matrix, a part never written, a fill value, and a matrix of another length, which is none of it.
with h5py.File(f"{FOLDER}/named.h5", "w") as file:
    data = file.create_dataset("m", (ROWS, 3), "<f4", chunks=(100, 2), fillvalue=-2.5, **FILTERS["zstd"])
    data.attrs["columns"] = ["open", "close", "volume"]
    data[1000:1250, 1:] = values("<f4", (250, 2))
    file["time"] = np.arange(ROWS)
    file["other"] = values("<f8", (ROWS - 1, 2))
    done("named", {"time": file["time"][:], **{n: data[:, at] for at, n in enumerate(["open", "close", "volume"])}})
