"""Writes files that are valid and no tables for this reader, each with words of the message that it must give.

    write_foreign.py FOLDER

Prints "name TAB words" for each.
"""

import sys

import h5py
import hdf5plugin
import numpy as np

FOLDER = sys.argv[1]
VALUES = np.arange(100.0)


def case(name, words, write, **options):
    with h5py.File(f"{FOLDER}/{name}", "w", **options) as file:
        write(file)
    print(f"{name}\t{words}")


def dataset(**options):
    return lambda file: file.create_dataset("a", data=VALUES, **options)


def uneven(file):
    file["a"], file["b"] = VALUES, VALUES[:50]


def newer(file):
    file["a"] = VALUES
    file.attrs["format"], file.attrs["format_version"] = "diapason-table", 3


case("empty.h5", 'no columns in "/": it is empty', lambda file: None)
case("zfp.h5", "filter 32013 (zfp) is not supported; supported are", dataset(chunks=(50,), **hdf5plugin.Zfp()))
case("scale.h5", "filter 6 (scale-offset) is not supported",
     lambda file: file.create_dataset("a", data=np.arange(100), chunks=(50,), scaleoffset=0))
case("text.h5", "its elements are text, not numbers", lambda file: file.create_dataset("a", data=["x", "y"]))
case("complex.h5", "is not supported: a floating-point number", lambda file: file.create_dataset("a", data=VALUES, dtype=np.longdouble))
case("texts.h5", '"x" is none, it is text of 3 bytes, no number',
     lambda file: file.create_dataset("a", data=np.zeros(5, [("x", "S3")])))
case("cube.h5", "it has 3 dimensions, a column has one and a matrix two",
     lambda file: file.create_dataset("a", data=np.zeros((5, 5, 5))))
case("wide.h5", "its rows have 5000 values, 1 to 4096 can be columns",
     lambda file: file.create_dataset("a", data=np.zeros((2, 5000))))
case("scalar.h5", "it has 0 dimensions, a column has one and a matrix two", lambda file: file.create_dataset("a", data=1.0))
case("group.h5", '"inner" is none, it is a group', lambda file: file.create_dataset("inner/a", data=VALUES))
case("uneven.h5", 'column "b" has 50 rows, "a" has 100', uneven)
case("newer.h5", "is of version 3 of the format, this program knows 2", newer)
case("large.h5", "a budget of 67108864 bytes is too small, one chunk of \"a\" needs 80000000",
     lambda file: file.create_dataset("a", (10_000_000,), "f8", chunks=(10_000_000,)))

with open(f"{FOLDER}/text.csv", "w") as file:
    file.write("timestamp,open\n2022-01-01,1\n" * 100)
print("text.csv\tis not an HDF5 file; if it is CSV, import it first")
open(f"{FOLDER}/nothing.h5", "w").close()
print("nothing.h5\tis not an HDF5 file")
