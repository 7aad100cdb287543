"""Writes the smallest files that use each structure the native reader walks: write_small.py FOLDER"""

import sys

import h5py
import hdf5plugin
import numpy as np

for bound, libver in {"earliest": "earliest", "v110": ("v110", "v110"), "latest": "latest"}.items():
    name = f"{bound}.h5"
    with h5py.File(f"{sys.argv[1]}/{name}", "w", libver=libver) as file:
        values = np.round(np.random.default_rng(1).normal(100, 1, 60), 2)
        file.attrs["text"] = "a text of any length"
        file.attrs["fixed"] = np.bytes_("fixed")
        file.attrs["numbers"] = np.arange(3, dtype=">i2")
        file.create_dataset("chunked", data=values, chunks=(16,), shuffle=True, fletcher32=True, compression="gzip")
        file.create_dataset("zstd", data=values, chunks=(16,), **hdf5plugin.Zstd())
        file.create_dataset("one", data=values, chunks=(60,), compression="gzip")
        file.create_dataset("plain", data=values, chunks=(25,))
        file.create_dataset("whole", data=values)
        file.create_dataset("endless", data=values, chunks=(7,), maxshape=(None,), fletcher32=True)
        file.create_dataset("half", data=values.astype("<f2"))
        file.create_dataset("grid", data=np.stack([values, values], 1), chunks=(9, 1), maxshape=(None, None))
        records = np.zeros(60, [("x", ">f4"), ("y", [("z", "i2", (2,)), ("t", "S3")])])
        records["x"], records["y"]["z"][:, 1] = values, np.arange(60)
        file.create_dataset("records", data=records, chunks=(11,))
        for number in range(10):
            file["records"].attrs[f"number {number}"] = number
    print(name)

# Enough chunks for pages of a fixed array and for two levels of a tree.
for bound, libver in {"earliest": "earliest", "latest": "latest"}.items():
    name = f"many-{bound}.h5"
    with h5py.File(f"{sys.argv[1]}/{name}", "w", libver=libver) as file:
        sparse = file.create_dataset("sparse", (1500,), "<i2", chunks=(1,))
        sparse[::25] = 3
    print(name)

# A chunk of each compressor that others use.
name = "codecs.h5"
with h5py.File(f"{sys.argv[1]}/{name}", "w") as file:
    values = np.repeat(np.round(np.random.default_rng(1).normal(100, 1, 20), 2), 16)
    for number, options in enumerate([
        dict(compression="lzf"),
        dict(**hdf5plugin.LZ4(nbytes=256)),
        dict(**hdf5plugin.Bitshuffle(nelems=64, cname="lz4")),
        dict(**hdf5plugin.Bitshuffle(nelems=64, cname="none")),
        *(dict(**hdf5plugin.Blosc(cname=cname, shuffle=1)) for cname in ("blosclz", "lz4", "zstd")),
        *(dict(**hdf5plugin.Blosc2(cname=cname, filters=2)) for cname in ("blosclz", "zlib", "zstd")),
    ]):
        file.create_dataset(f"c{number}", data=values, chunks=(len(values),), **options)
print(name)
