"""Compares every bit of a file of ours, read by h5py, with what was written.

    read_forms.py FILE.h5 < VALUES

VALUES are those of all columns in order, eight bytes each. Prints each column's type in the file and its divisor.
"""

import sys

import h5py
import hdf5plugin  # noqa: F401  (registers the zstd filter)
import numpy as np
import ours

raw = np.frombuffer(sys.stdin.buffer.read(), "<u8")
with h5py.File(sys.argv[1], "r") as file:
    names, rows = list(file.attrs["columns"]), file.attrs["rows"]
    assert len(raw) == rows * len(names)
    for place, name in enumerate(names):
        data = file[name]
        expected, found = raw[place * rows : (place + 1) * rows], ours.values(data).view("<u8")
        wrong = np.flatnonzero(expected != found)
        assert not len(wrong), (name, wrong[:5], expected[wrong[:5]], found[wrong[:5]])
        # A part of it, across a border of chunks.
        assert (ours.values(data, slice(rows // 3, rows // 2)).view("<u8") == expected[rows // 3 : rows // 2]).all()
        print(name, data.dtype, data.attrs.get("diapason_divisor", 1))
