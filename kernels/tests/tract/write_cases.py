"""Writes every LSTM case of the onnx package's node tests into a folder of its own below the argument."""

import os
import sys

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

for test in collect_testcases("LSTM"):
    if test.model.graph.node[0].op_type != "LSTM":
        continue
    folder = os.path.join(sys.argv[1], test.name, "test_data_set_0")
    os.makedirs(folder)
    onnx.save(test.model, os.path.join(sys.argv[1], test.name, "model.onnx"))
    for kind, arrays in zip(("input", "output"), test.data_sets[0]):
        for place, array in enumerate(arrays):
            with open(os.path.join(folder, f"{kind}_{place}.pb"), "wb") as file:
                file.write(numpy_helper.from_array(array).SerializeToString())
