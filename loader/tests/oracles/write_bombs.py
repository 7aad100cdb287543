"""Writes chunks that decode to far more bytes than a chunk has, or to fewer, or lie about their size: write_bombs.py FOLDER

Prints "file TAB words" for each, with words of the message that reading column "a" must give.
"""

import itertools
import sys

import h5py
import hdf5plugin
import numpy as np

FOLDER = sys.argv[1]
FILTERS = {
    "deflate": dict(compression="gzip"),
    "zstd": dict(**hdf5plugin.Zstd()),
    "lzf": dict(compression="lzf"),
    "lz4": dict(**hdf5plugin.LZ4()),
    "bitshuffle": dict(**hdf5plugin.Bitshuffle(cname="lz4")),
    "blosc": dict(**hdf5plugin.Blosc(cname="zstd")),
    "blosc2": dict(**hdf5plugin.Blosc2(cname="zstd")),
}


def chunk(options, rows):
    with h5py.File(f"{FOLDER}/scratch", "w") as file:
        data = file.create_dataset("a", data=np.zeros(rows), chunks=(rows,), **options)
        mask, stored = data.id.read_direct_chunk((0,))
        return mask, stored


ROWS = 1000
# Not so long that the stored bytes alone are too many: LZF shrinks to a hundredth at best.
for (name, options), (kind, rows) in itertools.product(FILTERS.items(), {"long": 1 << 17, "short": 100}.items()):
    mask, stored = chunk(options, min(rows, 50_000) if name == "lzf" else rows)
    assert mask == 0, name
    file_name = f"{name}-{kind}.h5"
    with h5py.File(f"{FOLDER}/{file_name}", "w") as file:
        data = file.create_dataset("a", (ROWS,), "<f8", chunks=(ROWS,), **options)
        data.id.write_direct_chunk((0,), stored)
    print(f"{file_name}\t{name if kind == 'long' else 'the chunk decodes to 800 bytes, 8000 are needed'}")
