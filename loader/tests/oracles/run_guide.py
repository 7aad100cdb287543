"""Runs the Python of the user guide, as it stands there, in a folder with ours.h5, ours.parquet and symbols.h5.

    run_guide.py GUIDE.md FOLDER

Checks that its three ways of reading agree, and prints the number of rows.
"""

import os
import re
import sys

guide = open(sys.argv[1]).read()
part = guide[guide.index("<!-- from-python -->") : guide.index("<!-- end -->")]
os.chdir(sys.argv[2])
names = {}
for snippet in re.findall(r"```python\n(.*?)```", part, re.S):
    exec(snippet, names)

np, frame, table = names["np"], names["frame"], names["table"]
assert names["names"] == ["timestamp", *frame.columns] == table.columns
assert names["close"].dtype == "f8" and len(names["last"]) == 60
for name in frame.columns:
    assert np.array_equal(frame[name].to_numpy(), table[name].to_numpy(), equal_nan=True), name
assert np.array_equal(frame["close"].to_numpy(), names["close"])
assert np.array_equal(names["lazy"]["close"].to_numpy(), names["close"])
times = names["times"].astype("i8")
assert np.array_equal(frame.index.asi8, times) and np.array_equal(table["timestamp"].dt.timestamp("ns").to_numpy(), times)
assert list(names["texts"]) == ["B", "A", "B"], names["texts"]
print(len(frame))
