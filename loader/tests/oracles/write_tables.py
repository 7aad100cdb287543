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


KINDS = [o + k for k in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8") for o in ("<", ">")]
FILTERS = {
    "plain": {},
    "gzip": dict(compression="gzip", compression_opts=4),
    "shuffle-gzip": dict(shuffle=True, compression="gzip"),
    "fletcher": dict(fletcher32=True),
    "all": dict(shuffle=True, fletcher32=True, compression="gzip"),
    "zstd": dict(**hdf5plugin.Zstd(clevel=3)),
    "shuffle-zstd": dict(shuffle=True, **hdf5plugin.Zstd(clevel=3)),
    "lzf": dict(compression="lzf"),
    "shuffle-lzf": dict(shuffle=True, fletcher32=True, compression="lzf"),
    "lz4": dict(**hdf5plugin.LZ4()),
    "lz4-blocks": dict(shuffle=True, **hdf5plugin.LZ4(nbytes=1000)),
    "bits": dict(**hdf5plugin.Bitshuffle(cname="none")),
    "bits-lz4": dict(**hdf5plugin.Bitshuffle(cname="lz4")),
    "bits-zstd": dict(**hdf5plugin.Bitshuffle(nelems=64, cname="zstd")),
    "fletcher-zstd": dict(shuffle=True, fletcher32=True, **hdf5plugin.Zstd(clevel=1)),
}
# What Blosc and Blosc 2 can do is tried at two bounds.
BLOSC = {
    f"blosc{number}-{cname}-{shuffle}": dict(**filter(cname=cname, clevel=5, **{word: shuffle}))
    for number, filter, word, names in [
        ("", hdf5plugin.Blosc, "shuffle", ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]),
        ("2", hdf5plugin.Blosc2, "filters", ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]),
    ]
    for cname in names
    for shuffle in (0, 1, 2)
}
BLOSC["blosc2-trunc"] = dict(**hdf5plugin.Blosc2(cname="zstd", filters=hdf5plugin.Blosc2.TRUNC_PREC))
BOUNDS = {"earliest": "earliest", "v108": ("v108", "v108"), "v110": ("v110", "v110"), "latest": "latest"}

for (bound, libver), (name, filters) in [
    *itertools.product(BOUNDS.items(), FILTERS.items()),
    *itertools.product([("earliest", "earliest"), ("latest", "latest")], BLOSC.items()),
]:
    # Chunked, with and without a limit to growth; a last chunk that is not full, and one chunk for all.
    for shape, options in {
        "edge": dict(chunks=(400,)),
        "even": dict(chunks=(500,)),
        "single": dict(chunks=(ROWS,)),
        "bounded": dict(chunks=(300,), maxshape=(10 * ROWS,)),
        "endless": dict(chunks=(70,), maxshape=(None,)),
    }.items():
        case = f"{bound}-{name}-{shape}"
        path = f"{FOLDER}/{case}.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset("a", data=values("<f8"), **options, **filters)
            file.create_dataset("b", data=values("<i8"), **options, **filters)
        done(case, path, ["a", "b"])

for bound, libver in BOUNDS.items():
    # Every kind of number; more than eight names make a heap of a new-style group.
    case = f"{bound}-kinds"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver) as file:
        for index, kind in enumerate(KINDS):
            file.create_dataset(f"c{index}", data=values(kind), chunks=(333,) if index % 2 else None)
        file["bool"] = values("<f8") > 100
        colours = h5py.enum_dtype({"red": 1, "green": -2, "blue": 40_000}, basetype=">i4")
        file.create_dataset("enum", data=rng.choice([1, -2, 40_000], ROWS), dtype=colours)
        file["kind"] = np.dtype("<f4")
        file.create_dataset("committed", data=values("<f4"), dtype=file["kind"])
    done(case, path, [*(f"c{index}" for index in range(len(KINDS))), "bool", "enum", "committed"])

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

    # Tables that grow without end: few chunks, all levels of an extensible array with pages, holes.
    for name, rows, writes in [
        ("short", 20, [(0, 20)]),
        ("blocks", 3000, [(0, 3000)]),
        ("pages", 200_000, [(0, 3), (131_000, 131_200), (150_000, 150_003), (199_999, 200_000)]),
    ]:
        case = f"{bound}-grown-{name}"
        path = f"{FOLDER}/{case}.h5"
        with h5py.File(path, "w", libver=libver) as file:
            a = file.create_dataset("a", (rows,), "<i2", chunks=(1,), maxshape=(None,), fillvalue=-3)
            b = file.create_dataset("b", (rows,), "<i2", chunks=(1,), maxshape=(None,), fletcher32=True)
            for first, last in writes:
                a[first:last], b[first:last] = values("<i2", last - first), values("<i2", last - first)
        done(case, path, ["a", "b"])

    # Links that are no data sets, and a user block.
    case = f"{bound}-company"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=1024) as file:
        file.create_dataset("a", data=values("<f8"), chunks=(999,), compression="gzip")
        file.create_dataset("cube", data=np.zeros((3, 4, 5)))
        file.create_dataset("text", data=["x"] * ROWS)
        file["soft"] = h5py.SoftLink("/a")
        file.create_group("group")
        file["kind"] = np.dtype("<f8")
    done(case, path, ["a"])

# A group with more names than one node of its tree, or one block of its heap, holds.
for bound, libver in BOUNDS.items():
    case = f"{bound}-names"
    path = f"{FOLDER}/{case}.h5"
    names = [f"column-{number:04}-" + "x" * (number * 7 % 90) for number in range(1500 if bound == "latest" else 300)]
    with h5py.File(path, "w", libver=libver) as file:
        for name in names:
            file.create_dataset(name, data=values("<f8", 5))
    done(case, path, [names[0], names[77], names[-1]])

# A chunk whose filters were skipped, as its mask says.
case = "earliest-masked"
path = f"{FOLDER}/{case}.h5"
with h5py.File(path, "w") as file:
    data = file.create_dataset("a", (100,), "<f8", chunks=(50,), shuffle=True, compression="gzip")
    data[:50] = values("<f8", 50)
    data.id.write_direct_chunk((50,), values("<f8", 50).tobytes(), 0b11)
done(case, path, ["a"])

# Layout messages of versions 1 and 2, which no library writes any more: the same facts in the older order. That libhdf5 reads
# the file back shows that they are well-formed.
for version in (1, 2):
    case = f"earliest-layout-{version}"
    path = f"{FOLDER}/{case}.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values("<f8"), chunks=(64,), compression="gzip")
        file.create_dataset("b", data=values("<f8"))
        headers = [h5py.h5o.get_info(file[name].id).addr for name in "ab"]
    with open(path, "r+b") as file:
        bytes = bytearray(file.read())
        for header in headers:
            at = header + 16
            while (kind := int.from_bytes(bytes[at : at + 2], "little")) != 8:
                at += 8 + int.from_bytes(bytes[at + 2 : at + 4], "little")
            layout = bytes[at + 8 : at + 32]
            if layout[1] == 2:
                # Version, class, rank, address, sizes of a chunk and of an element.
                address, dims = layout[3:11], layout[11:19]
            else:
                address, dims = layout[2:10], (2500).to_bytes(4, "little") + (8).to_bytes(4, "little")
            bytes[at + 8 : at + 32] = b"".join([b"%c\x02%c" % (version, layout[1]), b"\0" * 5, address, dims])
        file.seek(0)
        file.write(bytes)
    done(case, path, ["a", "b"])
