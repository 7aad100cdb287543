"""Copies models without notes on the source that they came from; arguments: from, to."""

import glob
import os
import sys

import onnx

source, target = sys.argv[1:]


def strip(things):
    for thing in things:
        thing.ClearField("doc_string")
        thing.ClearField("metadata_props")


for path in sorted(glob.glob(os.path.join(source, "*.onnx"))):
    model = onnx.load(path)
    graph = model.graph
    strip([model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer])
    onnx.save(model, os.path.join(target, os.path.basename(path)))
