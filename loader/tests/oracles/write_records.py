"""Writes tables whose columns are parts of a data set, and tables of other programs, with what must be read.

    write_records.py FOLDER

h5py writes records, grids and arrays within an element; PyTables and pandas what they are known for; the last file is as
MATLAB 7.3 lays out its own (a user block of 512 bytes, variables as grids of doubles). For each case: FOLDER/<case>.h5 and
FOLDER/<case>.<number>.f64 for each column. Prints "case TAB group TAB column TAB column ..." for each.
"""

import sys
import warnings

import h5py
import numpy as np
import pandas
import tables

warnings.simplefilter("ignore")
FOLDER = sys.argv[1]
ROWS = 2311
rng = np.random.default_rng(5)


def done(case, group, columns):
    for number, values in enumerate(columns.values()):
        np.asarray(values).astype("<f8").tofile(f"{FOLDER}/{case}.{number}.f64")
    print("\t".join([case, group, *columns]))


def some(kind="<f8", rows=ROWS):
    if np.dtype(kind).kind == "f":
        return np.round(rng.normal(100, 10, rows), 2).astype(kind)
    return rng.integers(-100, 100, rows).astype(kind)


def records(rows=ROWS):
    kind = np.dtype([("time", "<i8"), ("price", ">f4"), ("tag", "S3"), ("book", [("bid", "<f8"), ("size", "<u2", (2, 2))]),
                     ("half", "<f2"), ("flag", "?"), ("level", "i1", (3,))], align=True)
    data = np.zeros(rows, kind)
    data["time"], data["price"], data["tag"] = np.arange(rows) * 60, some(rows=rows), b"abc"
    data["book"]["bid"], data["half"], data["flag"] = some(rows=rows), some(rows=rows), some(rows=rows) > 100
    data["book"]["size"] = rng.integers(0, 60_000, (rows, 2, 2))
    data["level"] = rng.integers(-100, 100, (rows, 3))
    return data


def fields(data, prefix=""):
    found = {}
    for name in data.dtype.names:
        if data[name].dtype.names:
            found |= fields(data[name], f"{prefix}{name}/")
        elif data[name].dtype.kind == "S":
            continue
        elif data[name].ndim > 1:
            flat = data[name].reshape(len(data), -1)
            found |= {f"{prefix}{name}[{place}]": flat[:, place] for place in range(flat.shape[1])}
        else:
            found[prefix + name] = data[name]
    return found


BOUNDS = {"earliest": "earliest", "v108": ("v108", "v108"), "v110": ("v110", "v110"), "latest": "latest"}
for bound, libver in BOUNDS.items():
    data = records()
    for name, options in {
        "whole": {},
        "chunked": dict(chunks=(100,)),
        "endless": dict(chunks=(64,), maxshape=(None,), compression="gzip", shuffle=True, fletcher32=True),
    }.items():
        case = f"{bound}-records-{name}"
        with h5py.File(f"{FOLDER}/{case}.h5", "w", libver=libver) as file:
            file.create_dataset("deep/bars", data=data, **options)
        done(case, "/deep", fields(data))
        done_again = f"{case}-itself"
        (lambda source, target: open(target, "wb").write(open(source, "rb").read()))(
            f"{FOLDER}/{case}.h5", f"{FOLDER}/{done_again}.h5")
        done(done_again, "/deep/bars", fields(data))
    case = f"{bound}-records-company"
    with h5py.File(f"{FOLDER}/{case}.h5", "w", libver=libver) as file:
        file["bars"], file["alone"] = data, some()
        alone = file["alone"][:]
    done(case, "/", {f"bars/{name}": values for name, values in fields(data).items()} | {"alone": alone})

    # Grids: chunks over all columns, over some of them, one without end in both ways, never written, with holes.
    for name, options in {
        "whole": {},
        "rows": dict(chunks=(100, 7)),
        "blocks": dict(chunks=(90, 3), compression="gzip"),
        "columns": dict(chunks=(128, 1), maxshape=(None, 7), shuffle=True, compression="gzip"),
        "wider": dict(chunks=(99, 2), maxshape=(5000, None)),
        "tree": dict(chunks=(20, 2), maxshape=(None, None), fletcher32=True),
        "tree-plain": dict(chunks=(20, 2), maxshape=(None, None)),
        "tree-deep": dict(chunks=(1, 1), maxshape=(None, None)),
        "tree-deep-gzip": dict(chunks=(1, 1), maxshape=(None, None), compression="gzip"),
    }.items():
        case = f"{bound}-grid-{name}"
        data = np.round(rng.normal(100, 10, (ROWS if "deep" not in name else 900, 7)), 2)
        with h5py.File(f"{FOLDER}/{case}.h5", "w", libver=libver) as file:
            grid = file.create_dataset("grid", data=data, **options)
            holes = file.create_dataset("holes", data.shape, ">i4", fillvalue=9, **options)
            if options:
                holes[100:130, 2:5] = 3
            holes = holes[:]
        done(case, "/", {f"grid[{c}]": data[:, c] for c in range(7)} | {f"holes[{c}]": holes[:, c] for c in range(7)})

# PyTables: tables and arrays under its own compressors.
for number, filters in enumerate([
    None,
    tables.Filters(complevel=5, complib="zlib", shuffle=True, fletcher32=True),
    tables.Filters(complevel=5, complib="blosc"),
    tables.Filters(complevel=5, complib="blosc:zstd", bitshuffle=True),
    tables.Filters(complevel=5, complib="blosc:lz4", shuffle=False),
    tables.Filters(complevel=5, complib="blosc2"),
    tables.Filters(complevel=5, complib="blosc2:zstd", bitshuffle=True),
    tables.Filters(complevel=5, complib="blosc2:lz4"),
]):
    case = f"pytables-{number}"
    data = np.zeros(ROWS, [("time", "<i8"), ("open", "<f8"), ("close", "<f4"), ("count", "<u4"), ("name", "S4")])
    for name in ("time", "open", "close", "count"):
        data[name] = np.abs(some())
    with tables.open_file(f"{FOLDER}/{case}.h5", "w") as file:
        file.create_table("/market", "bars", data, createparents=True, filters=filters)
        file.create_carray("/other", "c", obj=some(), createparents=True, filters=filters)
        grown = file.create_earray("/other", "e", tables.Float32Atom(), (0,), filters=filters)
        for _ in range(ROWS // 100):
            grown.append(some("<f4", 100))
        rest = some("<f4", ROWS % 100)
        grown.append(rest)
        other = {"c": file.root.other.c[:], "e": grown[:]}
    done(case, "/market", fields(data))
    (lambda source, target: open(target, "wb").write(open(source, "rb").read()))(
        f"{FOLDER}/{case}.h5", f"{FOLDER}/{case}-arrays.h5")
    done(f"{case}-arrays", "/other", other)

# pandas in its three forms.
frame = pandas.DataFrame({
    "open": some(), "n": some("<i8"), "close": some(), "single": some("<f4"), "flag": some() > 100, "symbol": ["XYZ"] * ROWS,
}, index=pandas.date_range("2022-01-01", periods=ROWS, freq="min"))
expected = {"timestamp": frame.index.astype("i8"), "open": frame.open, "n": frame.n, "close": frame.close, "single": frame.single}
for case, options in {
    "pandas-fixed": {},
    "pandas-fixed-zlib": dict(complib="zlib", complevel=5),
    "pandas-table": dict(format="table"),
    "pandas-columns": dict(format="table", data_columns=True),
    "pandas-blosc": dict(format="table", data_columns=True, complib="blosc:zstd", complevel=3),
    "pandas-blosc2": dict(format="table", complib="blosc2:lz4", complevel=3),
    "pandas-zlib": dict(format="table", complib="zlib", complevel=5),
}.items():
    frame.to_hdf(f"{FOLDER}/{case}.h5", key="bars", **options)
    columns = {name: values for name, values in expected.items() if not (case == "pandas-fixed-zlib")}
    if columns:
        done(case, "/bars", columns)

# As MATLAB 7.3: a user block with its words, variables of one column as rows of grids, notes of their class.
case = "matlab"
with h5py.File(f"{FOLDER}/{case}.h5", "w", userblock_size=512) as file:
    columns = {name: some() for name in ("open", "high", "close", "volume")}
    for name, values in columns.items():
        # A column of MATLAB's is a grid of one row, a row of MATLAB's one of one column.
        data, chunks = (values[None], (1, 500)) if name != "volume" else (values[:, None], (500, 1))
        data = file.create_dataset(name, data=data, chunks=None if name == "high" else chunks,
                                   compression=None if name == "high" else "gzip")
        data.attrs["MATLAB_class"] = np.bytes_("double")
with open(f"{FOLDER}/{case}.h5", "r+b") as file:
    file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
done(case, "/", columns)
