"""Loads FILE.npy with NumPy and compares it with FILE.h5 by h5py: read_npy.py FILE.npy FILE.h5. Prints rows and names."""

import sys

import h5py
import hdf5plugin  # noqa: F401  (registers the zstd filter)
import numpy as np
import ours

array = np.load(sys.argv[1], mmap_mode="r")
with h5py.File(sys.argv[2], "r") as file:
    for name in array.dtype.names:
        values = ours.values(file[name])
        assert array[name].dtype == values.dtype, name
        np.testing.assert_array_equal(array[name], values)
print(len(array), *array.dtype.names)
