"""Writes attributes of many kinds: read_attributes.py FILE LIBVER. Prints them as JSON, as h5py reads them back."""

import json
import sys

import h5py
import numpy as np

path, libver = sys.argv[1:]
with h5py.File(path, "w", libver=libver) as file:
    data = file.create_dataset("a", data=np.arange(3.0))
    for place, values in {
        file: {
            "int": 7,
            "negative": np.int8(-7),
            "big endian": np.array(-70000, ">i4"),
            "unsigned": np.uint8(255),
            "largest": np.uint64(2**64 - 1),
            "float": 1.25,
        },
        data: {
            "single": np.array(-0.5, ">f4"),
            "text": "any length, \u00e4 and \u20ac",
            "fixed": np.bytes_("fixed"),
            "nothing": "",
            "list": np.array([1, -2, 3], "<i2"),
            "texts": ["one", "two two", ""],
            "grid": np.array([[1.0, 2.0], [3.0, 4.0]]),
            "half": np.float16(0.1),
            "flag": np.bool_(True),
            # More than eight, so that new-style objects keep them in a heap; one is larger than a block of it.
            **{f"number {number}": number for number in range(40)},
            **({"large": np.arange(9000.0)} if libver == "latest" else {}),
        },
    }.items():
        for name, value in values.items():
            place.attrs[name] = value


def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return [plain(inner) for inner in value.ravel().tolist()]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, bool):
        return int(value)
    # The reader gives numbers beyond 64 bits with a sign as text.
    return str(value) if isinstance(value, int) and value >= 2**63 else value


with h5py.File(path, "r") as file:
    print(json.dumps([{k: plain(v) for k, v in place.attrs.items()} for place in (file, file["a"])]))
