"""The rivals' side of `benches/rivals.rs`: one request a line of JSON on standard input, one answer a line.

A request names a library, a task and the shape; the first of a kind builds the model from the weights in the given
safetensors file and warms it up, each further one runs the task once and answers with its seconds. Threads are set once, by the
first; where there is one, the process stays on one core.
"""

import json
import os
import sys
import time

import numpy as np
import torch


def read(path):
    """Tensors of a safetensors file: a length, a header, the values."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = np.frombuffer(data[first:last], dtype=np.float32).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(values.copy())
    return tensors


class Network(torch.nn.Module):
    """nn.LSTM and nn.Linear over its last step."""

    def __init__(self, tensors, layers):
        super().__init__()
        gates, inputs = tensors["weight_ih_l0"].shape
        outputs = tensors["fc.weight"].shape[0]
        self.lstm = torch.nn.LSTM(inputs, gates // 4, layers, batch_first=True)
        self.fc = torch.nn.Linear(gates // 4, outputs)
        state = {(name if name.startswith("fc") else f"lstm.{name}"): value for name, value in tensors.items()}
        self.load_state_dict(state)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Step(torch.nn.Module):
    """One tick with carried state."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, h, c):
        out, (h, c) = self.network.lstm(x, (h, c))
        return self.network.fc(out[:, -1]), h, c


def windows(request):
    """The same numbers as the caller's: a walk through a prime field."""
    shape = (request["batch"], request["time"], request["input"])
    index = np.arange(np.prod(shape), dtype=np.int64)
    return ((index * 7919 % 4093).astype(np.float32) / 2046.0 - 1.0).reshape(shape)


def session(network, request, example, names):
    """The network as an onnxruntime session on one thread, or as many as asked for."""
    import io

    import onnxruntime

    buffer = io.BytesIO()
    torch.onnx.export(network, example, buffer, dynamo=False, input_names=names, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])


class Jax:
    """The same network in JAX: a projection of the whole sequence, then a scan, layer by layer."""

    def __init__(self, request):
        # Read once, when the library is loaded.
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        import jax

        self.jax, self.layers, self.hidden = jax, request["layers"], request["hidden"]
        self.weights = {name: jax.numpy.asarray(value.numpy()) for name, value in read(request["model"]).items()}

    def layer(self, weights, layer, x, state):
        """Steps `[time, batch, input]` of a layer from a state: the state after them, and the hidden states of all."""
        jax, n = self.jax, f"_l{layer}"
        projected = x @ weights["weight_ih" + n].T + weights["bias_ih" + n] + weights["bias_hh" + n]

        def step(state, projected):
            h, c = state
            i, f, g, o = jax.numpy.split(projected + h @ weights["weight_hh" + n].T, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
            h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
            return (h, c), h

        return jax.lax.scan(step, state, projected)

    def run(self, weights, x, h, c):
        """All layers: the prediction for the last step, and the states `[layers, batch, hidden]`."""
        states = []
        for layer in range(self.layers):
            state, x = self.layer(weights, layer, x, (h[layer], c[layer]))
            states.append(state)
        h, c = (self.jax.numpy.stack(part) for part in zip(*states))
        return x[-1] @ weights["fc.weight"].T + weights["fc.bias"], h, c

    def compiled(self):
        return self.jax.jit(self.run)

    def state(self, batch):
        return self.jax.numpy.zeros((self.layers, batch, self.hidden))


def predict(request):
    """A function that predicts a batch."""
    network = Network(read(request["model"]), request["layers"]).eval()
    x = torch.from_numpy(windows(request))
    if request["library"] == "jax":
        model = Jax(request)
        forward, state = model.compiled(), model.state(len(x))
        steps = model.jax.numpy.asarray(x.numpy().swapaxes(0, 1))
        return lambda: np.asarray(forward(model.weights, steps, state, state)[0])
    if request["library"] == "torchscript":
        network = torch.jit.freeze(torch.jit.trace(network, x))
    if request["library"] == "onnxruntime":
        run = session(network, request, (x,), ["x"])
        return lambda: run.run(None, {"x": x.numpy()})[0]
    if request["precision"] == "bf16":
        network, x = network.bfloat16(), x.bfloat16()

    def run():
        with torch.inference_mode():
            return network(x).float().numpy()

    return run


def tick(request):
    """A function that takes `time` ticks of one series, one call each."""
    network = Network(read(request["model"]), request["layers"]).eval()
    rows = windows({**request, "batch": 1})[0]
    state = np.zeros((request["layers"], 1, request["hidden"]), dtype=np.float32)
    if request["library"] == "onnxruntime":
        example = tuple(torch.from_numpy(a) for a in (rows[None, :1], state, state))
        run = session(Step(network), request, example, ["x", "h", "c"])

        def ticks():
            h = c = state
            for row in rows:
                out, h, c = run.run(None, {"x": row[None, None], "h": h, "c": c})
            return out

        return ticks
    if request["library"] == "jax":
        model = Jax(request)
        step, zero = model.compiled(), model.state(1)

        def ticks():
            h = c = zero
            for row in rows:
                out, h, c = step(model.weights, row[None, None], h, c)
                out.block_until_ready()
            return np.asarray(out)

        return ticks
    dtype = torch.bfloat16 if request["precision"] == "bf16" else torch.float32
    step = Step(network.to(dtype)).eval()
    inputs, start = torch.from_numpy(rows).to(dtype), torch.from_numpy(state).to(dtype)
    if request["library"] == "torchscript":
        step = torch.jit.freeze(torch.jit.trace(step, (inputs[0][None, None], start, start)))

    def ticks():
        with torch.inference_mode():
            h = c = start
            for row in inputs:
                out, h, c = step(row[None, None], h, c)
            return out.float().numpy()

    return ticks


def train(request):
    """A function that trains one epoch with Adam and the mean squared error."""
    network = Network(read(request["model"]), request["layers"]).train()
    x = torch.from_numpy(windows(request))
    y = x[:, -1, :1].clone()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    size = request["rows"]

    def epoch():
        for first in range(0, len(x), size):
            optimiser.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(network(x[first : first + size]), y[first : first + size])
            loss.backward()
            optimiser.step()
        return loss.detach().numpy().reshape(1, 1)

    return epoch


def main():
    made = {}
    for line in sys.stdin:
        request = json.loads(line)
        if not made:
            torch.set_num_threads(request["threads"])
            if request["threads"] == 1:
                os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        key = json.dumps(request, sort_keys=True)
        if key not in made:
            made[key] = {"predict": predict, "tick": tick, "train": train}[request["task"]](request)
            # What compiles itself does so in its first runs. Training goes on, so its first is not to be lost.
            for _ in range(0 if request["task"] == "train" else 2):
                made[key]()
        start = time.perf_counter()
        out = made[key]()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "out": out.reshape(-1)[:64].tolist()}), flush=True)


if __name__ == "__main__":
    main()
