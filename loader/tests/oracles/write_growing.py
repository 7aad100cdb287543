"""Appends to a table for readers that watch, for tests/follow.rs: columns whose values are a function of the row.

    write_growing.py FILE FILTER ROWS SEED

It says "open" when readers may come, and takes a line from standard input after each third of the rows; "swmr" off when FILTER is
"alone". Blocks of rows are of many lengths, columns are written one after the other, and not every block is flushed.
"""

import random
import sys
import time

import h5py
import hdf5plugin
import numpy as np

PATH, FILTER, ROWS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
filters = {
    "none": {},
    "alone": {},
    "gzip": dict(compression="gzip", compression_opts=1, shuffle=True),
    "zstd": dict(fletcher32=True, **hdf5plugin.Zstd(clevel=1)),
}[FILTER]
dice = random.Random(SEED)


def values(rows):
    rows = np.asarray(rows, dtype=np.uint64)
    mixed = (rows * np.uint64(2654435761)) % np.uint64(1 << 32)
    return mixed.astype("<f8") / 8


with h5py.File(PATH, "w", libver="latest", rdcc_nbytes=dice.choice([0, 4096, 1 << 20])) as file:
    columns = {
        "timestamp": file.create_dataset("timestamp", (0,), maxshape=(None,), dtype="<i8", chunks=(100,), **filters),
        "price": file.create_dataset("price", (0,), maxshape=(None,), dtype="<f8", chunks=(64,), **filters),
        # Two dimensions without a limit: another index of the chunks.
        "m": file.create_dataset("m", (0, 3), maxshape=(None, None), dtype="<f8", chunks=(50, 3), **filters),
    }
    if FILTER != "alone":
        file.swmr_mode = True
    print("open", flush=True)
    at, stop = 0, ROWS // 3
    while at < ROWS:
        block = min(dice.choice([1, 2, 7, 33, 100, 257, 1000]), ROWS - at)
        rows = np.arange(at, at + block)
        for name, column in columns.items():
            if dice.random() < 0.5:
                time.sleep(0.0005)
            column.resize(at + block, axis=0)
            if name == "timestamp":
                column[at:] = rows * 1000
            elif name == "price":
                column[at:] = values(rows)
            else:
                column[at:] = np.stack([values(rows + lane) for lane in range(3)], axis=1)
            if dice.random() < 0.7:
                column.flush()
        at += block
        if at >= stop and stop < ROWS:
            file.flush()
            print(at, flush=True)
            sys.stdin.readline()
            stop += ROWS // 3
print("closed", flush=True)
