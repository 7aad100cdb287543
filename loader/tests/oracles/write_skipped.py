"""Writes tables that lack a column, or have something in its place, and the message that asking for it must give.

    write_skipped.py FOLDER

Prints "file TAB column TAB message" for each; FILE in a message stands for the path of the file.
"""

import sys

import h5py
import numpy as np

FOLDER = sys.argv[1]
VALUES = np.arange(100.0)
NEED = '; "timestamp" must be a column of int64, in nanoseconds since 1970-01-01 UTC'

with h5py.File(f"{FOLDER}/skipped.h5", "w") as file:
    file["open"] = VALUES
    file["close"] = np.zeros((100, 2, 2))
    file["half"] = VALUES.astype(np.longdouble)
    file["volume/inner"] = VALUES
    file["timestamp"] = [b"text"] * 100
with h5py.File(f"{FOLDER}/float.h5", "w") as file:
    file["timestamp"], file["open"] = VALUES, VALUES
with h5py.File(f"{FOLDER}/none.h5", "w") as file:
    file["open"] = VALUES


def there(file, column, reason):
    print(f'{file}\t{column}\tFILE: "{column}" is there but cannot be read: {reason}')


there("skipped.h5", "close", "it has 3 dimensions, a column has one and a matrix two")
there("skipped.h5", "half", "its datatype message is not supported: "
      "a floating-point number that is not IEEE 754 half, single or double")
there("skipped.h5", "volume", "it is a group")
there("skipped.h5", "timestamp", "its elements are text, not numbers" + NEED)
print(f'float.h5\ttimestamp\tcolumn "timestamp" of FILE holds f64, which cannot be read as i64{NEED}')
print(f'none.h5\ttimestamp\tFILE has no column "timestamp"; its columns are open{NEED}')
print('none.h5\topne\tFILE has no column "opne", did you mean "open"?; its columns are open')
