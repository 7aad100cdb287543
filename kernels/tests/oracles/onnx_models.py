"""ONNX and PyTorch models with the answers of onnx, onnxruntime and torch.

Argument 1: nodes | attributes | torch | graphs | grid | files | check. Argument 2: a folder for model files.
Standard output: one line of JSON, a list of cases, then their numbers as little-endian f64 in the order of the JSON.
A series is [batch, time, features]; outputs are [batch, output] or [batch, time, output], whatever the graph has.

nodes       every LSTM case of the onnx package's node tests; expected: the package's own arrays
attributes  LSTM nodes with random attributes; expected: onnxruntime
torch       modules through torch.onnx.export; expected: the module in float64
graphs      graphs as converters of Keras and TensorFlow write them; expected: onnxruntime
grid        torch.nn.LSTM state_dicts as safetensors; expected: the module in float64
files       every .onnx file in the folder; expected: onnxruntime
check       standard input: [{path, batch, time, input}] and series as f64; every file must pass
            onnx.checker.check_model(full_check=True); the numbers are onnxruntime's outputs
"""

import io
import itertools
import json
import os
import struct
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

warnings.filterwarnings("ignore")
command, folder = sys.argv[1], sys.argv[2]
random = np.random.default_rng(7)
cases, numbers = [], []


def f32(*shape, scale=1.0):
    return (random.uniform(-1, 1, shape) * scale).astype(np.float32)


def give(array):
    array = np.asarray(array, dtype="<f8")
    numbers.append(array)
    return list(array.shape)


def case(name, path, x, outputs, **more):
    """`x` and `outputs` batch first; `more` may have given {name: array}, lengths, states [batch, values] twice."""
    entry = {"name": name, "path": path, "x": give(x)}
    entry["given"] = [[key, give(value)] for key, value in more.pop("given", {}).items()]
    entry["lengths"] = [int(n) for n in more.pop("lengths", [])]
    entry["states"] = [give(value) for value in more.pop("states", [])]
    entry["outputs"] = [give(value) for value in outputs]
    entry.update(more)
    cases.append(entry)


def save(model, name, **options):
    path = os.path.join(folder, name + ".onnx")
    onnx.save(model, path, **options)
    return path


def session(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def in_onnxruntime(model, feed):
    return session(model.SerializeToString()).run(None, feed)


def rows(value, batch_first=False):
    """Y_h or Y_c, [directions, batch, hidden], as [batch, directions x hidden]."""
    value = value if batch_first else value.transpose(1, 0, 2)
    return value.reshape(value.shape[0], -1)


def steps(value, batch_first=False):
    """Y, [time, directions, batch, hidden], as [batch, time, directions x hidden]."""
    value = value if batch_first else value.transpose(2, 0, 1, 3)
    return value.reshape(*value.shape[:2], -1)


# nodes --------------------------------------------------------------------------------------------------------


def nodes():
    from onnx.backend.test.case.node import collect_testcases
    from onnx.reference import ReferenceEvaluator

    for test in collect_testcases("LSTM"):
        if test.model.graph.node[0].op_type != "LSTM":
            continue
        names = [value.name for value in test.model.graph.input]
        (inputs, outputs), *_ = test.data_sets
        feed = dict(zip(names, inputs))
        layout = any(a.name == "layout" and a.i == 1 for a in test.model.graph.node[0].attribute)
        verdicts = {}
        for who, run in {
            "onnxruntime": lambda: in_onnxruntime(test.model, feed),
            "onnx.reference": lambda: ReferenceEvaluator(test.model).run(None, feed),
        }.items():
            try:
                equal = all(np.allclose(a, b, rtol=1e-3, atol=1e-7) for a, b in zip(run(), outputs))
                verdicts[who] = "passes" if equal else "wrong"
            except Exception as error:
                told = str(error)
                verdicts[who] = "refuses" + (": " + told[told.index("Batchwise"):].strip() if "Batchwise" in told else "")
        x = inputs[0] if layout else inputs[0].transpose(1, 0, 2)
        known = {"X", "sequence_lens", "initial_h", "initial_c"}
        more = {"given": {name: value for name, value in feed.items() if name not in known}}
        if "sequence_lens" in feed:
            more["lengths"] = feed["sequence_lens"]
        if "initial_h" in feed:
            more["states"] = [rows(feed[name], layout) for name in ("initial_h", "initial_c")]
        outputs = [steps(o, layout) if o.ndim == 4 else rows(o, layout) for o in outputs]
        case(test.name, save(test.model, test.name), x, outputs, verdicts=verdicts, **more)


# attributes ---------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "Sigmoid": 0, "Tanh": 0, "Relu": 0, "Affine": 2, "LeakyRelu": 1, "ThresholdedRelu": 1, "ScaledTanh": 2,
    "HardSigmoid": 2, "Elu": 1, "Softsign": 0, "Softplus": 0,
}


def lstm_model(opset, x, attributes, constants, lengths, states):
    """One LSTM node, all of whose weights are initializers."""
    ins = ["X", "W", "R", "B" if "B" in constants else "", "L" if lengths else ""]
    ins += ["H", "C"] if states else ["", ""]
    ins += ["P"] if "P" in constants else []
    node = helper.make_node("LSTM", ins, ["Y", "Y_h", "Y_c"], **attributes)
    values = [helper.make_tensor_value_info("X", TensorProto.FLOAT, x.shape)]
    if lengths:
        values.append(helper.make_tensor_value_info("L", TensorProto.INT32, [x.shape[1]]))
    if states:
        shape = [constants["W"].shape[0], x.shape[1], attributes["hidden_size"]]
        values += [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "HC"]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h", "Y_c")]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([node], "lstm", values, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def attributes():
    names = list(FUNCTIONS)
    for number in range(120):
        direction = ["forward", "reverse", "bidirectional"][number % 3]
        count = 1 + (direction == "bidirectional")
        hidden, size = int(random.integers(1, 9)), int(random.integers(1, 7))
        batch, time = int(random.integers(1, 6)), int(random.integers(1, 12))
        constants = {"W": f32(count, 4 * hidden, size), "R": f32(count, 4 * hidden, hidden)}
        options = {"hidden_size": hidden, "direction": direction}
        if number % 2:
            constants["B"] = f32(count, 8 * hidden)
        if number % 5 in (1, 2):
            constants["P"] = f32(count, 3 * hidden)
        if number % 7 in (2, 3):
            options["clip"] = float(random.uniform(0.1, 0.8))
        if number % 11 == 3:
            options["input_forget"] = 1
        if number >= 30:
            picked = [names[(number + 3 * k + place) % len(names)] for place, k in enumerate(range(3 * count))]
            alpha = [float(random.uniform(0.1, 0.9)) for name in picked if FUNCTIONS[name] >= 1]
            beta = [float(random.uniform(0.1, 0.5)) for name in picked if FUNCTIONS[name] >= 2]
            options["activations"] = picked
            options.update({"activation_alpha": alpha} if alpha else {})
            options.update({"activation_beta": beta} if beta else {})
        lengths = random.integers(1, time + 1, batch).astype(np.int32) if number % 4 == 2 else None
        states = [f32(count, batch, hidden), f32(count, batch, hidden)] if number % 3 == 1 else None
        x = f32(time, batch, size, scale=2.0)
        model = lstm_model(14 + number % 9, x, options, constants, lengths is not None, states is not None)
        feed, more = {"X": x}, {}
        if lengths is not None:
            feed["L"], more["lengths"] = lengths, lengths
        if states is not None:
            feed.update(zip("HC", states))
            more["states"] = [rows(state) for state in states]
        y, h, c = in_onnxruntime(model, feed)
        told = " ".join(f"{key}={value}" for key, value in options.items())
        case(f"{number}: {told}", save(model, str(number)), x.transpose(1, 0, 2), [steps(y), rows(h), rows(c)], **more)


# torch --------------------------------------------------------------------------------------------------------


def torch_models():
    import torch
    from torch import nn

    torch.manual_seed(3)

    class Base(nn.Module):
        def __init__(self, layers=1, both=False, size=3, hidden=5, out=2, bias=True, batch_first=True):
            super().__init__()
            self.lstm = nn.LSTM(size, hidden, layers, bias=bias, batch_first=batch_first, bidirectional=both)
            self.fc = nn.Linear(hidden * (1 + both), out)

    class Last(Base):
        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])

    class LastSlice(Base):
        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1:, :].reshape(x.size(0), -1))

    class Every(Base):
        def forward(self, x):
            return torch.tanh(self.fc(self.lstm(x)[0]))

    class TimeFirst(Base):
        def forward(self, x):
            return self.fc(self.lstm(x)[0][-1])

    class Hidden(Base):
        def forward(self, x):
            return torch.sigmoid(self.fc(self.lstm(x)[1][0][-1]))

    class BothHidden(Base):
        def forward(self, x):
            h = self.lstm(x)[1][0]
            return torch.softmax(self.fc(torch.cat([h[-2], h[-1]], 1)), 1)

    class View(Base):
        def forward(self, x):
            out, _ = self.lstm(x)
            out = out.view(x.size(0), x.size(1), 2, self.lstm.hidden_size)
            return self.fc(torch.cat([out[:, -1, 0], out[:, 0, 1]], -1))

    class Zeros(Base):
        def forward(self, x):
            zero = torch.zeros(self.lstm.num_layers, x.size(0), self.lstm.hidden_size, dtype=x.dtype)
            out, (h, c) = self.lstm(x, (zero, zero))
            return self.fc(out[:, -1, :]), h.permute(1, 0, 2).flatten(1), c.permute(1, 0, 2).flatten(1)

    class Learnt(Base):
        def __init__(self, *rest, **more):
            super().__init__(*rest, **more)
            self.h = nn.Parameter(torch.randn(self.lstm.num_layers, 1, self.lstm.hidden_size))
            self.c = nn.Parameter(torch.randn(self.lstm.num_layers, 1, self.lstm.hidden_size))

        def forward(self, x):
            state = (self.h.expand(-1, x.size(0), -1).contiguous(), self.c.expand(-1, x.size(0), -1).contiguous())
            return self.fc(self.lstm(x, state)[0][:, -1])

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.up = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Dropout(0.5))
            self.one, self.two = nn.LSTM(7, 6, batch_first=True, bidirectional=True), nn.LSTM(12, 4, 2, batch_first=True)
            self.head = nn.Sequential(nn.Linear(4, 9), nn.LeakyReLU(0.2), nn.Linear(9, 3), nn.Softmax(-1))
            self.register_buffer("mean", torch.randn(3))
            self.register_buffer("std", torch.rand(3) + 0.5)

        def forward(self, x):
            return self.head(self.two(self.one(self.up((x - self.mean) / self.std))[0])[0][:, -1])

    class Tasks(Base):
        def __init__(self, *rest, **more):
            super().__init__(*rest, **more)
            self.other = nn.Linear(self.lstm.hidden_size, 1)

        def forward(self, x):
            last = self.lstm(x)[0][:, -1]
            return self.fc(last), torch.sigmoid(self.other(last)).squeeze(-1)

    class Scalar(Base):
        def forward(self, x):
            return self.fc(self.lstm(x)[0][:, -1])[:, 1] * 2 + 0.5

    modules = [
        ("last, 1 layer", Last(1)), ("last, 3 layers", Last(3)), ("last, no bias", Last(2, bias=False)),
        ("last, both directions", Last(2, True)), ("last by slice", LastSlice(2)), ("every step", Every(2)),
        ("every step, both directions", Every(1, True)), ("time first", TimeFirst(2, batch_first=False)),
        ("hidden", Hidden(2)), ("hidden of both directions", BothHidden(2, True)), ("view", View(1, True)),
        ("zeros, states out", Zeros(2)), ("learnt initial states", Learnt(2)), ("deep", Deep()),
        ("two tasks", Tasks(2)), ("a scalar", Scalar(1)), ("wide", Last(2, size=32, hidden=33)),
    ]
    for (name, module), dynamic, opset in itertools.product(modules, (True, False), (14, 16)):
        module.eval()
        first = name != "time first"
        batch, time = (3, 6) if dynamic else (2, 7)
        size = 32 if name == "wide" else 3
        shape = (batch, time, size) if first else (time, batch, size)
        x = f32(*shape, scale=2.0)
        buffer = io.BytesIO()
        axes = {"x": {0: "batch" if first else "time", 1: "time" if first else "batch"}} if dynamic else None
        # Traced with another batch and length than are asked for, where these are free.
        traced = torch.tensor(f32(*((2, 4, size) if dynamic else shape)))
        torch.onnx.export(module, traced, buffer, opset_version=opset, input_names=["x"], dynamic_axes=axes)
        module.double()
        with torch.no_grad():
            outputs = module(torch.tensor(x.astype(np.float64)))
        module.float()
        outputs = [o.numpy() for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
        outputs = [o[:, None] if o.ndim == 1 else o for o in outputs]
        kind = f"{name}, {'free' if dynamic else 'fixed'} shape, opset {opset}"
        path = os.path.join(folder, f"{len(cases)}.onnx")
        with open(path, "wb") as file:
            file.write(buffer.getvalue())
        case(kind, path, x if first else x.transpose(1, 0, 2), outputs)


# files --------------------------------------------------------------------------------------------------------


def files():
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".onnx"):
            continue
        path = os.path.join(folder, name)
        run = session(path)
        (entry,) = run.get_inputs()
        batch, time, size = (free if isinstance(n, str) or n is None else n for n, free in zip(entry.shape, (4, 9, 3)))
        x = f32(batch, time, size, scale=2.0)
        outputs = run.run(None, {entry.name: x})
        case(name, path, x, [o[:, None] if o.ndim == 1 else o for o in outputs])


# graphs -------------------------------------------------------------------------------------------------------


class Graph:
    """Builds a graph node by node; names are made up as needed."""

    def __init__(self, inputs, opset=15):
        self.nodes, self.initializers, self.opset, self.count = [], [], opset, 0
        self.inputs = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]

    def constant(self, value):
        self.count += 1
        self.initializers.append(numpy_helper.from_array(np.asarray(value), f"c{self.count}"))
        return f"c{self.count}"

    def ints(self, *values):
        return self.constant(np.array(values, dtype=np.int64))

    def op(self, operator, *inputs, outputs=1, **options):
        names = [f"v{self.count + k + 1}" for k in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=f"{operator}_{self.count}", **options))
        return names[0] if outputs == 1 else names

    def lstm(self, x, size, hidden, direction="forward", initial=("", ""), lengths="", bias=True, **options):
        count = 1 + (direction == "bidirectional")
        w, r = self.constant(f32(count, 4 * hidden, size)), self.constant(f32(count, 4 * hidden, hidden))
        b = self.constant(f32(count, 8 * hidden)) if bias else ""
        return self.op(
            "LSTM", x, w, r, b, lengths, *initial, outputs=3, hidden_size=hidden, direction=direction, **options
        )

    def dense(self, x, size, out):
        product = self.op("MatMul", x, self.constant(f32(size, out)))
        return self.op("Add", product, self.constant(f32(out)))

    def model(self, outputs):
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "graph", self.inputs, values, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def graphs():
    free = [("x", TensorProto.FLOAT, ["N", "T", 3])]
    fixed = [("x", TensorProto.FLOAT, ["N", 6, 3])]
    batch, time = 4, 6

    def add(name, graph, outputs, feed=None, x=None, convert=None, external=False, **more):
        x = f32(batch, time, 3, scale=2.0) if x is None else x
        model = graph.model(outputs)
        answers = in_onnxruntime(model, {"x": x, **(feed or {})})
        answers = [o[:, None] if o.ndim == 1 else o for o in (convert(answers) if convert else answers)]
        options = {"save_as_external_data": True, "location": "weights/data.bin", "size_threshold": 0} if external else {}
        if external:
            os.makedirs(os.path.join(folder, "weights"), exist_ok=True)
        case(name, save(model, f"graph{len(cases)}", **options), x, answers, **more)

    def turn(g, value):
        return g.op("Transpose", value, perm=[1, 0, 2])

    # tf2onnx: Keras LSTM(return_sequences) -> LSTM -> Dense. Every layer turns its input and its output.
    for opset in (11, 13, 15):
        g = Graph(fixed, opset)

        def squeeze(value, axis):
            return g.op("Squeeze", value, axes=[axis]) if opset < 13 else g.op("Squeeze", value, g.ints(axis))

        y, _, _ = g.lstm(turn(g, "x"), 3, 5)
        seq = turn(g, squeeze(y, 1))
        _, h, _ = g.lstm(turn(g, seq), 5, 4)
        add(f"tf2onnx stack, opset {opset}", g, [g.dense(squeeze(h, 0), 4, 2)])

    # Keras Bidirectional as two nodes, of sequences and of last states.
    g = Graph(free)
    x = turn(g, "x")
    fy, fh, _ = g.lstm(x, 3, 5)
    by, bh, _ = g.lstm(x, 3, 5, "reverse")
    both = g.op("Concat", *(turn(g, g.op("Squeeze", y, g.ints(1))) for y in (fy, by)), axis=2)
    _, h, _ = g.lstm(turn(g, both), 10, 3)
    add("two directions apart, sequences", g, [g.dense(g.op("Squeeze", h, g.ints(0)), 3, 1)])

    g = Graph(free)
    x = turn(g, "x")
    _, bh, bc = g.lstm(x, 3, 5, "reverse")
    _, fh, _ = g.lstm(x, 3, 5)
    both = g.op("Concat", *(g.op("Squeeze", h, g.ints(0)) for h in (fh, bh)), axis=-1)
    add("two directions apart, reverse first, states", g, [g.dense(both, 10, 2), g.op("Squeeze", bc, g.ints(0))])

    # go_backwards: the series is reversed before the layer and its output after it.
    g = Graph(free)

    def backwards(value, axis):
        return g.op("Slice", value, g.ints(-1), g.ints(-(2**63)), g.ints(axis), g.ints(-1))

    fy, _, _ = g.lstm(turn(g, "x"), 3, 4)
    by, _, _ = g.lstm(turn(g, backwards("x", 1)), 3, 4)
    parts = [g.op("Squeeze", fy, g.ints(1)), backwards(g.op("Squeeze", by, g.ints(1)), 0)]
    both = turn(g, g.op("Concat", *parts, axis=2))
    add("go_backwards", g, [g.op("Sigmoid", g.dense(both, 8, 2))])

    g = Graph(fixed)
    y, _, _ = g.lstm(turn(g, backwards("x", 1)), 3, 4)
    last = g.op("Gather", g.op("Squeeze", y, g.ints(1)), g.constant(np.int64(-1)), axis=0)
    add("go_backwards, last of the reversed", g, [g.dense(last, 4, 2)])

    # keras2onnx: both directions in one node with hard_sigmoid, reshaped.
    hard = dict(activations=["HardSigmoid", "Tanh", "Tanh"] * 2, activation_alpha=[0.2] * 2, activation_beta=[0.5] * 2)
    g = Graph(free)
    y, h, _ = g.lstm(turn(g, "x"), 3, 5, "bidirectional", **hard)
    seq = g.op("Reshape", g.op("Transpose", y, perm=[2, 0, 1, 3]), g.ints(0, 0, -1))
    add("keras2onnx both directions, sequences", g, [g.op("Softmax", g.dense(seq, 10, 3), axis=-1)])
    g = Graph(free)
    _, h, _ = g.lstm(turn(g, "x"), 3, 5, "bidirectional", **hard)
    flat = g.op("Reshape", g.op("Transpose", h, perm=[1, 0, 2]), g.ints(-1, 10))
    add("keras2onnx both directions, last", g, [g.dense(flat, 10, 3)])
    g = Graph(free)
    _, h, _ = g.lstm(turn(g, "x"), 3, 5, "bidirectional")
    add("flattened states", g, [g.dense(g.op("Flatten", g.op("Transpose", h, perm=[1, 0, 2])), 10, 3)])

    # TimeDistributed(Dense): all steps of all series as rows, and back by a computed shape.
    g = Graph(free)
    y, _, _ = g.lstm(turn(g, "x"), 3, 5)
    seq = turn(g, g.op("Squeeze", y, g.ints(1)))
    rows_ = g.op("Reshape", seq, g.ints(-1, 5))
    out = g.op("Gemm", rows_, g.constant(f32(2, 5)), g.constant(f32(2)), transB=1, alpha=0.5, beta=2.0)
    shape = g.op("Cast", g.op("Slice", g.op("Shape", "x"), g.ints(0), g.ints(2)), to=TensorProto.INT64)
    shape = g.op("Concat", shape, g.ints(2), axis=0)
    add("time distributed", g, [g.op("Reshape", out, shape)])

    # Dense and normalisation before the LSTM; products, sums and slices behind it.
    g = Graph(free)
    x = g.op("Div", g.op("Sub", "x", g.constant(f32(3))), g.constant(np.float32(2.0)))
    x = g.op("Relu", g.dense(x, 3, 6))
    y, _, _ = g.lstm(turn(g, x), 6, 5)
    last = g.op("Squeeze", g.op("Slice", y, g.ints(-1), g.ints(2**31 - 1), g.ints(0)), g.ints(0, 1))
    part = g.op("Slice", last, g.ints(1), g.ints(4), g.ints(1))
    out = g.op("Mul", g.op("Elu", g.dense(part, 3, 4), alpha=0.5), g.constant(np.float32(3.0)))
    add("dense before, part of the state behind", g, [g.op("Slice", out, g.ints(1), g.ints(3), g.ints(-1))])

    # Initial states and lengths as inputs, cut up for two layers.
    states = [("h", TensorProto.FLOAT, [2, "N", 4]), ("c", TensorProto.FLOAT, [2, "N", 4])]
    g = Graph(free + states + [("lengths", TensorProto.INT32, ["N"])])
    value, ends = turn(g, "x"), []
    for layer, size in enumerate((3, 4)):
        cut = [g.op("Slice", name, g.ints(layer), g.ints(layer + 1), g.ints(0)) for name in ("h", "c")]
        y, h, c = g.lstm(value, size, 4, initial=cut, lengths="lengths")
        value, ends = g.op("Squeeze", y, g.ints(1)), ends + [(h, c)]
    out = g.dense(g.op("Squeeze", ends[-1][0], g.ints(0)), 4, 2)
    joined = [g.op("Concat", *parts, axis=0) for parts in zip(*ends)]
    h, c = f32(2, batch, 4), f32(2, batch, 4)
    lengths = np.array([6, 1, 3, 5], dtype=np.int32)
    add(
        "states and lengths in and out", g, [out, *joined, turn(g, value)],
        feed={"h": h, "c": c, "lengths": lengths}, lengths=lengths, states=[rows(h), rows(c)],
        convert=lambda a: [a[0], rows(a[1]), rows(a[2]), a[3]],
    )

    # A constant state spread over the batch, and weights in a file of their own.
    g = Graph(free)
    n = g.op("Gather", g.op("Shape", "x"), g.ints(0), axis=0)
    shape = g.op("Concat", g.ints(1), n, g.ints(4), axis=0)
    spread = [g.op("Expand", g.constant(f32(1, 1, 4)), shape) for _ in range(2)]
    _, h, _ = g.lstm(turn(g, "x"), 3, 4, initial=spread)
    add("constant state, external weights", g, [g.dense(g.op("Squeeze", h, g.ints(0)), 4, 2)], external=True)

    # One series without a batch.
    g = Graph([("x", TensorProto.FLOAT, ["T", 3])])
    _, h, _ = g.lstm(g.op("Unsqueeze", "x", g.ints(1)), 3, 4)
    out = g.dense(g.op("Squeeze", h, g.ints(0)), 4, 2)
    model, x = g.model([out]), f32(time, 3)
    case("no batch", save(model, "nobatch"), x[None], in_onnxruntime(model, {"x": x}))


# grid ---------------------------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, value in sorted(tensors.items()):
        value = np.ascontiguousarray(value, dtype="<f4")
        offsets = [len(data), len(data) + value.nbytes]
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": offsets}
        data += value.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def grid():
    import torch

    torch.manual_seed(5)
    torch.set_num_threads(1)
    sizes = [(1, 1), (3, 5), (7, 17), (12, 33)]
    shapes = [(1, 1), (65, 3), (2, 200), (5, 17)]
    for layers, both, projected, bias in itertools.product((1, 2, 3), (False, True), (False, True), (True, False)):
        size, hidden = sizes[len(cases) % 4]
        batch, time = shapes[(len(cases) // 2 + layers) % 4]
        proj = max(1, hidden // 2) if projected and hidden > 1 else 0
        lstm = torch.nn.LSTM(size, hidden, layers, bias, True, 0, both, proj)
        head = torch.nn.Linear((1 + both) * (proj or hidden), 3)
        names = {"lstm": "enc.lstm.", "head": "out."}
        tensors = {names["lstm"] + key: value.numpy() for key, value in lstm.state_dict().items()}
        tensors.update({names["head"] + key: value.numpy() for key, value in head.state_dict().items()})
        path = os.path.join(folder, f"{len(cases)}.safetensors")
        write_safetensors(path, tensors)
        lstm.double(), head.double()
        x = f32(batch, time, size, scale=2.0)
        with torch.no_grad():
            y, (h, c) = lstm(torch.tensor(x.astype("f8")))
            last = head(y[:, -1])
        told = f"{layers} layers of {hidden}{f' to {proj}' if proj else ''}, both={both}, bias={bias}, {batch} x {time} x {size}"
        h, c = (value.numpy().transpose(1, 0, 2).reshape(batch, -1) for value in (h, c))
        case(told, path, x, [last.numpy(), h, c])


# check --------------------------------------------------------------------------------------------------------


def check():
    wanted = json.loads(sys.stdin.buffer.readline())
    series = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8")
    for entry in wanted:
        onnx.checker.check_model(entry["path"], full_check=True)
        onnx.shape_inference.infer_shapes(onnx.load(entry["path"]), strict_mode=True, data_prop=True)
        shape = (entry["batch"], entry["time"], entry["input"])
        x, series = series[: np.prod(shape)].reshape(shape), series[np.prod(shape) :]
        outputs = session(entry["path"]).run(None, {"input": x.astype(np.float32)})
        cases.append({"name": entry["path"], "outputs": [give(output) for output in outputs]})


{
    "nodes": nodes, "attributes": attributes, "torch": torch_models, "graphs": graphs, "grid": grid, "files": files,
    "check": check,
}[command]()
sys.stdout.buffer.write((json.dumps(cases) + "\n").encode())
for array in numbers:
    sys.stdout.buffer.write(array.tobytes())
