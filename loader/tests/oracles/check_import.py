"""Parses a CSV file with Python's own means and compares every value with the imported HDF5 file, read by h5py.

    check_import.py FILE.csv FILE.h5 [FIRST_LINE_IS_NAMES: yes|no] [COLUMN ...]

Times are parsed by datetime, numbers by float(), which is exact. Prints the number of values compared.
"""

import csv
import datetime
import sys

import h5py
import hdf5plugin  # noqa: F401  (registers the zstd filter)
import numpy as np
import ours

path, stored, has_names, *columns = sys.argv[1:]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def nanoseconds(text):
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        # YYYYMMDD HHMMSSmmm
        time = datetime.datetime.strptime(text[:15], "%Y%m%d %H%M%S")
        time += datetime.timedelta(milliseconds=int(text[15:] or 0))
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.timezone.utc)
    since = time - EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


with open(path, newline="") as file:
    rows = list(csv.reader(file))
if has_names == "yes":
    rows = rows[1:]
expected = {columns[0]: np.array([nanoseconds(row[0]) for row in rows], "<i8")}
for place, column in enumerate(columns[1:], 1):
    expected[column] = np.array([float(row[place]) for row in rows], "<f8")

compared = 0
with h5py.File(stored, "r") as file:
    assert list(file.attrs["columns"]) == columns, list(file.attrs["columns"])
    assert file.attrs["rows"] == len(rows)
    assert file.attrs["format"] == "diapason-table"
    # Version 2 has columns that must be divided.
    is_divided = any("diapason_divisor" in file[column].attrs for column in columns)
    assert file.attrs["format_version"] == (2 if is_divided else 1)
    assert file.attrs["source"] == path.rsplit("/", 1)[-1]
    assert "UTC" in file.attrs["time_zone"] and len(file.attrs["content_hash"]) == 64
    assert sorted(file) == sorted(columns)
    for column, values in expected.items():
        data = file[column]
        found = ours.values(data)
        assert found.dtype == values.dtype and data.shape == values.shape, (column, data.dtype, data.shape)
        plist = data.id.get_create_plist()
        filters = [plist.get_filter(at)[0] for at in range(plist.get_nfilters())]
        assert filters in ([32015], [2, 32015]), filters
        assert data.attrs["role"] == column and data.attrs["unit"]
        np.testing.assert_array_equal(found.view("<u8"), values.view("<u8"))
        compared += len(values)
print(compared)
