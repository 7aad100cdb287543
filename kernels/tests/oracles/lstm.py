"""PyTorch's answers for LSTM networks, in float64.

Standard input: one line of JSON, a list of cases, then the cases' numbers as little-endian f64, case by case.

gradients  in:  weights (flat, in the order of the tensors), windows [batch, time, input], targets [batch, output]
           out: loss, outputs [batch, output], gradient by the weights, gradient by the windows
descent    in:  the same
           out: after each of the case's steps of its optimiser with gradient clipping the loss before it and the weights
truncated  in:  the same, with targets [segments, batch, output]
           out: of each segment loss and gradient by the weights, when states go on from segment to segment and are
           detached there, and again `truncation` steps before the segment's end; then h_n and c_n [layers, batch, hidden]
model      in:  the path of a safetensors file as argument, windows [batch, time, input]
           out: outputs [batch, output] of the network in the file
state-dict in:  the path of a file to write as argument, windows [batch, time, input]
           out: outputs [batch, output] of a new network whose state_dict is in the file, named by PyTorch
"""

import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Network(torch.nn.Module):
    def __init__(self, case):
        super().__init__()
        self.case = case
        self.lstm = torch.nn.LSTM(case["input"], case["hidden"], case["layers"], batch_first=True)
        self.fc = torch.nn.Linear(case["hidden"], case["output"])

    def tensors(self):
        for layer in range(self.case["layers"]):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                yield f"{name}_l{layer}", getattr(self.lstm, f"{name}_l{layer}")
        yield "fc.weight", self.fc.weight
        yield "fc.bias", self.fc.bias

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])

    def segment(self, x, states, truncation):
        """The logits at the end of a segment, and the states there."""
        before = 0 if truncation is None else max(x.shape[1] - truncation, 0)
        if before > 0:
            states = tuple(state.detach() for state in self.lstm(x[:, :before], states)[1])
        out, states = self.lstm(x[:, before:], states)
        return self.fc(out[:, -1]), tuple(state.detach() for state in states)

    def activated(self, logits):
        head = self.case["head"]
        return {"linear": lambda z: z, "sigmoid": torch.sigmoid, "softmax": lambda z: torch.softmax(z, 1)}[head](logits)

    def loss(self, logits, y):
        loss = self.case["loss"]
        if loss == "binary-cross-entropy":
            return F.binary_cross_entropy_with_logits(logits, y)
        if loss == "cross-entropy":
            return F.cross_entropy(logits, y)
        out = self.activated(logits)
        if loss == "mse":
            return F.mse_loss(out, y)
        if loss == "mae":
            return F.l1_loss(out, y)
        return F.huber_loss(out, y, delta=loss["huber"]["delta"])


def main():
    header = json.loads(sys.stdin.buffer.readline())
    data = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8")
    place = 0

    def take(*shape):
        nonlocal place
        n = int(np.prod(shape))
        place += n
        return torch.tensor(data[place - n : place].reshape(shape))

    def give(tensor):
        sys.stdout.buffer.write(tensor.detach().numpy().astype("<f8").tobytes())

    for case in header:
        if sys.argv[1] == "model":
            case.update(read_spec(sys.argv[2]))
        network = Network(case)
        with torch.no_grad():
            if sys.argv[1] == "model":
                read_weights(network, sys.argv[2])
            elif sys.argv[1] == "state-dict":
                write_state_dict(network, sys.argv[2])
            else:
                for _, tensor in network.tensors():
                    tensor.copy_(take(*tensor.shape))
        x = take(case["batch"], case["time"], case["input"]).requires_grad_()
        if sys.argv[1] in ("model", "state-dict"):
            give(network.activated(network(x)))
            continue
        if sys.argv[1] == "truncated":
            truncated(network, case, x.detach(), take(case["segments"], case["batch"], case["output"]), give)
            continue
        y = take(case["batch"], case["output"])
        if sys.argv[1] == "gradients":
            logits = network(x)
            loss = network.loss(logits, y)
            loss.backward()
            give(loss)
            give(network.activated(logits))
            for _, tensor in network.tensors():
                give(tensor.grad)
            give(x.grad)
        else:
            descent(network, case, x.detach(), y, give)


def truncated(network, case, x, y, give):
    zero = torch.zeros(case["layers"], case["batch"], case["hidden"])
    states = (zero, zero)
    for part, y in zip(x.chunk(case["segments"], dim=1), y):
        network.zero_grad()
        logits, states = network.segment(part, states, case["truncation"])
        loss = network.loss(logits, y)
        loss.backward()
        give(loss)
        for _, tensor in network.tensors():
            give(tensor.grad)
    give(states[0])
    give(states[1])


def optimiser_of(case, parameters):
    ((name, numbers),) = case["optimizer"].items()
    more = {"lr": case["rate"], "weight_decay": case["weight_decay"]}
    if name == "sgd":
        return torch.optim.SGD(parameters, **numbers, **more)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(parameters, betas=(numbers["beta1"], numbers["beta2"]), eps=numbers["epsilon"], **more)


def descent(network, case, x, y, give):
    parameters = [tensor for _, tensor in network.tensors()]
    optimiser = optimiser_of(case, parameters)
    for _ in range(case["steps"]):
        optimiser.zero_grad()
        loss = network.loss(network(x), y)
        loss.backward()
        if case["clip_norm"] is not None:
            torch.nn.utils.clip_grad_norm_(parameters, case["clip_norm"])
        optimiser.step()
        give(loss)
        for tensor in parameters:
            give(tensor)


def read_header(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length)), file.read()


def read_spec(path):
    header, _ = read_header(path)
    return json.loads(header["__metadata__"]["diapason.spec"])


def read_weights(network, path):
    """What torch users do with safetensors.torch.load_file, by hand: the format is a header and raw numbers."""
    header, data = read_header(path)
    for name, tensor in network.tensors():
        entry = header[name]
        start, end = entry["data_offsets"]
        assert entry["dtype"] == "F32" and entry["shape"] == list(tensor.shape), entry
        tensor.copy_(torch.tensor(np.frombuffer(data[start:end], "<f4").reshape(entry["shape"]).astype("f8")))


def write_state_dict(network, path):
    """What torch users do with safetensors.torch.save_file, by hand."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in sorted(network.state_dict().items()):
        values = tensor.numpy().astype("<f4")
        tensor.copy_(torch.tensor(values.astype("f8")))
        offsets = [len(data), len(data) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += values.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main()
