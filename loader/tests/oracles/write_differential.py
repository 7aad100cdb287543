"""Writes files drawn at random from all that the native reader is to read, and what h5py or PyTables reads back from each.

    write_differential.py FOLDER SEED COUNT

For each of COUNT cases: FOLDER/<case>.h5, and FOLDER/<case>.bin with the values of its columns one after the other, as i64 or f64,
little-endian. Prints for each column "case TAB group TAB column TAB i|f TAB number of values TAB how it was written". The same seed
gives the same files, so that a case that fails can be made again: its number is in its name.
"""

import random
import sys

import h5py
import hdf5plugin
import numpy as np
import tables

FOLDER, SEED, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BOUNDS = ["earliest", ("v108", "v108"), ("v110", "v110"), ("v112", "v112"), ("v114", "v114"), "latest"]
INTS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
FLOATS = ["f2", "f4", "f8"]


def number(draw):
    return draw.choice("<>") + draw.choice(INTS + FLOATS * 2)


def element(draw):
    """A type, as h5py creates it, and as numpy holds it."""
    kind = draw.random()
    if kind < 0.7:
        return number(draw)
    if kind < 0.75:
        return np.dtype("?")
    if kind < 0.8:
        return h5py.enum_dtype({"low": 1, "high": 7, "none": 0}, basetype=draw.choice("<>") + draw.choice(["i1", "i2", "i4", "u8"]))
    fields = []
    for place in range(draw.randint(1, 6)):
        inner = draw.random()
        if inner < 0.6:
            fields.append((f"f{place}", number(draw)))
        elif inner < 0.7:
            fields.append((f"f{place}", f"S{draw.randint(1, 9)}"))
        elif inner < 0.85:
            fields.append((f"f{place}", number(draw), tuple(draw.choices(range(1, 4), k=draw.randint(1, 2)))))
        else:
            fields.append((f"f{place}", [("a", number(draw)), ("b", number(draw), (2,))]))
    return np.dtype(fields, align=draw.random() < 0.5)


def noise(draw, rng, kind, shape):
    kind = np.dtype(kind)
    if kind.names:
        values = np.zeros(shape, kind)
        for name in kind.names:
            inner = kind[name]
            values[name] = noise(draw, rng, inner.base, shape + inner.shape)
        return values
    if kind.kind == "S":
        return rng.choice(np.array([b"abc", b"", b"x"]), shape).astype(kind)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if kind.kind == "f":
        values = np.round(rng.normal(100, 10, shape), draw.choice([0, 2, 9])).astype(kind)
        if draw.random() < 0.2:
            values = np.where(rng.random(shape) < 0.1, np.array(draw.choice([np.nan, np.inf, -0.0, 1e-7])).astype(kind), values)
        return values.astype(kind)
    if h5py.check_enum_dtype(kind):
        return rng.choice([0, 1, 7], shape).astype(kind)
    info = np.iinfo(kind)
    low, high = max(info.min, -(2**63)), min(info.max, 2**63 - 1)
    if draw.random() < 0.5:
        low, high = max(low, -50), min(high, 50)
    return rng.integers(low, high, shape, endpoint=True).astype(kind)


def filters(draw):
    blosc = lambda of, word: of(cname=draw.choice(["blosclz", "lz4", "lz4hc", "zlib", "zstd"]), clevel=draw.randint(0, 9),
                                **{word: draw.choice([0, 1, 2])})
    last = draw.choice([
        lambda: {}, lambda: {}, lambda: dict(compression="gzip", compression_opts=draw.randint(0, 9)), lambda: dict(compression="lzf"),
        lambda: dict(**hdf5plugin.Zstd(clevel=draw.randint(1, 9))), lambda: dict(**hdf5plugin.LZ4(nbytes=draw.choice([0, 64, 1000]))),
        lambda: dict(**hdf5plugin.Bitshuffle(nelems=draw.choice([0, 8, 64, 512]), cname=draw.choice(["none", "lz4", "zstd"]))),
        lambda: dict(**blosc(hdf5plugin.Blosc, "shuffle")), lambda: dict(**blosc(hdf5plugin.Blosc2, "filters")),
    ])()
    return dict(shuffle=draw.random() < 0.4, fletcher32=draw.random() < 0.3, **last)


def columns(name, values):
    """The columns that are to be seen, in the terms of the reader."""
    if values.dtype.names:
        found = {}
        for field in values.dtype.names:
            inner = values[field]
            if inner.dtype.names:
                found |= {f"{name}{field}/{key}": column for key, column in columns("", inner).items()}
            elif inner.dtype.kind == "S":
                continue
            elif inner.ndim > 1:
                flat = inner.reshape(len(values), -1)
                found |= {f"{name}{field}[{place}]": flat[:, place] for place in range(flat.shape[1])}
            else:
                found[name + field] = inner
        return found
    if values.ndim > 1 and values.shape[1] > 1:
        return {f"{name}[{place}]": values[:, place] for place in range(values.shape[1])}
    return {name: values.ravel()}


def by_h5py(draw, rng, path):
    libver = draw.choice(BOUNDS)
    rows, group = draw.choice([1, 7, 100, 100, 1000, 3000]), draw.choice(["/", "/deep", "/a/b"])
    told, names = f"libver {libver}", {}
    with h5py.File(path, "w", libver=libver, userblock_size=draw.choice([0, 0, 0, 512, 4096])) as file:
        at = file.require_group(group)
        for place in range(draw.choice([1, 1, 2, 3, 12])):
            kind = element(draw)
            is_record = np.dtype(kind).names is not None
            shape = (rows,) if is_record or draw.random() < 0.7 else (rows, draw.randint(1, 6))
            limits = tuple(draw.choice([None, size, size * 2]) for size in shape)
            options = dict(dtype=kind, fillvalue=None if is_record or draw.random() < 0.5 else noise(draw, rng, kind, ())[()])
            if draw.random() < 0.75:
                chunks = tuple(draw.randint(max(1, size // draw.choice([1, 2, 3, 40, 300])), size * draw.choice([1, 1, 2])) for size in shape)
                options |= dict(chunks=tuple(min(c, m) if m else c for c, m in zip(chunks, limits)), maxshape=limits, **filters(draw))
            data = noise(draw, rng, kind, shape)
            how = draw.random()
            name = f"d{place}"
            try:
                made = at.create_dataset(name, shape, **options)
            except ValueError as error:
                # A chunk that some filter does not take.
                told += f"; {name} refused: {error}"
                made = at.create_dataset(name, shape, dtype=kind)
            if how < 0.7:
                made[...] = data
            elif how < 0.9:
                first = draw.randint(0, rows - 1)
                last = draw.randint(first, rows)
                made[first:last] = data[first:last]
            for note in range(draw.choice([0, 0, 1, 12])):
                made.attrs[f"note {note}"] = draw.choice([1.5, "text", np.arange(3)])
            told += f"; {name} {np.dtype(kind)} {shape} {options}"
            names[name] = is_record
    with h5py.File(path, "r") as file:
        found = {}
        for name, is_record in names.items():
            prefix = "" if len(names) == 1 and is_record else f"{name}/" if is_record else name
            found |= columns(prefix, file[group][name][()])
    return group, found, told


def by_pytables(draw, rng, path):
    rows = draw.choice([1, 100, 3000])
    word = draw.choice(["zlib", "blosc", "blosc:lz4", "blosc:zstd", "blosc2", "blosc2:lz4", "blosc2:zstd", "blosc2:zlib"])
    pack = tables.Filters(complevel=draw.randint(0, 9), complib=word, shuffle=draw.random() < 0.5,
                          bitshuffle=draw.random() < 0.3 and word != "zlib",
                          # PyTables 3.9 writes Blosc 2 past the check sum that it announces; libhdf5 refuses such files as we do.
                          fletcher32=draw.random() < 0.3 and not word.startswith("blosc2"))
    fields = [(f"f{place}", "<" + draw.choice(["i1", "i2", "i4", "i8", "u1", "u4", "f4", "f8"])) for place in range(draw.randint(1, 8))]
    data = noise(draw, rng, np.dtype(fields), (rows,))
    with tables.open_file(path, "w") as file:
        table = file.create_table("/", "bars", data, filters=pack, chunkshape=draw.choice([None, 16, 500]))
        read = table[:]
    return "/", columns("", read), f"PyTables {pack} {fields} {rows}"


for serial in range(COUNT):
    draw, rng = random.Random(f"{SEED}/{serial}"), np.random.default_rng([SEED, serial])
    case = f"case-{SEED}-{serial}"
    group, found, told = (by_pytables if draw.random() < 0.15 else by_h5py)(draw, rng, f"{FOLDER}/{case}.h5")
    with open(f"{FOLDER}/{case}.bin", "wb") as blob:
        for name, values in found.items():
            sort = "f" if values.dtype.kind == "f" else "i"
            values.astype("<f8" if sort == "f" else "<i8").tofile(blob)
            print("\t".join([case, group, name, sort, str(len(values)), " ".join(told.split())]))
