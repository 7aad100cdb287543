"""Copies models without notes on the source they came from; arguments: from, to."""

import glob, os, sys, onnx
source, target = sys.argv[1:]
for path in sorted(glob.glob(source + "/*.onnx")):
    model = onnx.load(path)
    graph = model.graph
    for thing in [graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        thing.ClearField("doc_string")
        if hasattr(thing, "metadata_props"): del thing.metadata_props[:]
    del model.metadata_props[:]
    for function in model.functions:
        for node in function.node:
            node.ClearField("doc_string"); del node.metadata_props[:]
        del function.metadata_props[:]
    onnx.save(model, os.path.join(target, os.path.basename(path)))
