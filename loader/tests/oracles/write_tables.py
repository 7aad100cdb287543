"""Writes tables with h5py in every way that the native reader is to understand.

    write_tables.py FOLDER

For each case: FOLDER/<case>.h5, and for each column FOLDER/<case>.<column>.f64 with the values as h5py reads them
back, as little-endian float64. Prints one line "case column column ..." for each.
"""

import itertools
import sys

import h5py
import hdf5plugin
import numpy as np

FOLDER = sys.argv[1]
ROWS = 2500
rng = np.random.default_rng(11)


def values(kind, rows=ROWS):
    kind = np.dtype(kind)
    if kind.kind == "f":
        return np.round(rng.normal(100, 10, rows), 2).astype(kind)
    info = np.iinfo(kind)
    # Whole numbers that float64 holds.
    low, high = max(info.min, -(2**53)), min(info.max, 2**53)
    return rng.integers(low, high, rows, endpoint=True).astype(kind)


def done(case, path, columns, group="/"):
    with h5py.File(path, "r") as file:
        for column in columns:
            file[group][column][:].astype("<f8").tofile(f"{FOLDER}/{case}.{column}.f64")
    print(case, *columns)


KINDS = [o + k for k in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8") for o in ("<", ">")]
FILTERS = {
    "plain": {},
    "gzip": dict(compression="gzip", compression_opts=4),
    "shuffle-gzip": dict(shuffle=True, compression="gzip"),
    "fletcher": dict(fletcher32=True),
    "all": dict(shuffle=True, fletcher32=True, compression="gzip"),
    "zstd": dict(**hdf5plugin.Zstd(clevel=3)),
    "shuffle-zstd": dict(shuffle=True, **hdf5plugin.Zstd(clevel=3)),
    "fletcher-zstd": dict(shuffle=True, fletcher32=True, **hdf5plugin.Zstd(clevel=1)),
}
BOUNDS = {"earliest": "earliest", "v108": ("v108", "v108"), "v110": ("v110", "v110"), "latest": "latest"}

for (bound, libver), (name, filters) in itertools.product(BOUNDS.items(), FILTERS.items()):
    # Chunked, with and without a limit to growth; a last chunk that is not full, and one chunk for all.
    for shape, options in {
        "edge": dict(chunks=(400,)),
        "even": dict(chunks=(500,)),
        "single": dict(chunks=(ROWS,)),
        "bounded": dict(chunks=(300,), maxshape=(10 * ROWS,)),
    }.items():
        case = f"{bound}-{name}-{shape}"
        path = f"{FOLDER}/{case}.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset("a", data=values("<f8"), **options, **filters)
            file.create_dataset("b", data=values("<i8"), **options, **filters)
        done(case, path, ["a", "b"])

for bound, libver in BOUNDS.items():
    # Every kind of number; more than eight names make a heap of a new-style group, which is declined elsewhere.
    for part in range(0, len(KINDS), 5):
        case = f"{bound}-kinds-{part}"
        path = f"{FOLDER}/{case}.h5"
        kinds = KINDS[part : part + 5]
        with h5py.File(path, "w", libver=libver) as file:
            for index, kind in enumerate(kinds):
                chunks = (333,) if index % 2 else None
                file.create_dataset(f"c{index}", data=values(kind), chunks=chunks)
        done(case, path, [f"c{index}" for index in range(len(kinds))])

    # Compact, contiguous, never written, partly written, other fill values, one row, no row.
    case = f"{bound}-places"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((200,))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F64LE, space, plist).write(
            h5py.h5s.ALL, h5py.h5s.ALL, values("<f8", 200))
        file.create_dataset("contiguous", data=values("<f8", 200))
        file.create_dataset("unwritten", (200,), "<f8", fillvalue=2.5)
        sparse = file.create_dataset("sparse", (200,), "<f4", chunks=(30,), fillvalue=-7, compression="gzip")
        sparse[65:70] = 1
        zeros = file.create_dataset("zeros", (200,), ">i4", chunks=(30,))
    done(case, path, ["compact", "contiguous", "unwritten", "sparse", "zeros"])
    for rows in (0, 1):
        case = f"{bound}-rows-{rows}"
        path = f"{FOLDER}/{case}.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset("a", data=values("<f8", rows))
            file.create_dataset("b", data=values("<f8", rows), chunks=(16,), maxshape=(500,), compression="gzip")
        done(case, path, ["a", "b"])

    # Shrunk and grown again.
    case = f"{bound}-resized"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        data = file.create_dataset("a", data=values("<f8"), chunks=(64,), maxshape=(ROWS,), compression="gzip")
        data.resize((777,))
        data.resize((1500,))
    done(case, path, ["a"])

    # Many chunks: a fixed array of several pages, a tree of several levels.
    case = f"{bound}-many"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("a", data=values("<f8", 9001), chunks=(3,), compression="gzip")
        holes = file.create_dataset("b", (9001,), "<f8", chunks=(3,))
        holes[8000:8003] = 5
    done(case, path, ["a", "b"])

    # Links that are no data sets, and a user block.
    case = f"{bound}-company"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=1024) as file:
        file.create_dataset("a", data=values("<f8"), chunks=(999,), compression="gzip")
        file.create_dataset("flags", data=values("<f8") > 100)
        file.create_dataset("grid", data=np.zeros((3, 4)))
        file["soft"] = h5py.SoftLink("/a")
        file.create_group("group")
        file["kind"] = np.dtype("<f8")
    done(case, path, ["a"])

# A group with more names than one node of its tree, as earliest files have them.
case = "earliest-names"
path = f"{FOLDER}/{case}.h5"
with h5py.File(path, "w") as file:
    names = [f"column {number:04}" for number in range(300)]
    for name in names:
        file.create_dataset(name, data=values("<f8", 5))
# Spaces separate the words of the listing, so the columns are given by their other names.
with h5py.File(path, "a") as file:
    file["first"], file["last"] = file[names[0]], file[names[-1]]
done(case, path, ["first", "last"])

# A chunk whose filters were skipped, as its mask says.
case = "earliest-masked"
path = f"{FOLDER}/{case}.h5"
with h5py.File(path, "w") as file:
    data = file.create_dataset("a", (100,), "<f8", chunks=(50,), shuffle=True, compression="gzip")
    data[:50] = values("<f8", 50)
    data.id.write_direct_chunk((50,), values("<f8", 50).tobytes(), 0b11)
done(case, path, ["a"])
