"""Writes the tables of tests/stream.rs: a matrix, and the same values in columns, with the values as float32.

    write_stream.py FOLDER ROWS
"""

import sys

import h5py
import hdf5plugin
import numpy as np

FOLDER, ROWS = sys.argv[1], int(sys.argv[2])
data = np.random.default_rng(3).normal(100, 10, (ROWS, 4)).astype("<f4")
options = dict(shuffle=True, fletcher32=True, **hdf5plugin.Zstd(clevel=1))
with h5py.File(f"{FOLDER}/matrix.h5", "w") as file:
    file.create_dataset("m", data=data, chunks=(100, 4), **options)
with h5py.File(f"{FOLDER}/columns.h5", "w") as file:
    for at, chunk in enumerate([100, 64, 250, 100]):
        file.create_dataset(f"m[{at}]", data=data[:, at].astype("<f8"), chunks=(chunk,), **options)
with h5py.File(f"{FOLDER}/raw.h5", "w") as file:
    file["m"] = data
data.tofile(f"{FOLDER}/values.f32")
# Where the chunk of rows 1200 to 1299 of the matrix is, to damage it.
with h5py.File(f"{FOLDER}/matrix.h5", "r") as file:
    info = file["m"].id.get_chunk_info_by_coord((1200, 0))
    print(info.byte_offset, info.size)
