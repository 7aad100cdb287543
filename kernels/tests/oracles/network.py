"""PyTorch's answers for networks of any form, in float64.

Standard input: one line of JSON, a list of cases, then the cases' numbers as little-endian f64, case by case: the
weights in the order of the tensors, windows [batch, time, input], then for each head targets [batch, steps x output].
A case has `stack`, the form of the network as the library writes it, a loss for each head, batch and time.
Standard output: for each case the loss, which is the sum over the heads, and the gradient by the weights.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def function(form):
    name, p = (form, {}) if isinstance(form, str) else next(iter(form.items()))
    return {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "affine": lambda x: p["alpha"] * x + p["beta"],
        "leaky-relu": lambda x: F.leaky_relu(x, p["alpha"]),
        "thresholded-relu": lambda x: F.threshold(x, p["alpha"], 0.0),
        "scaled-tanh": lambda x: p["alpha"] * torch.tanh(p["beta"] * x),
        "hard-sigmoid": lambda x: torch.clamp(p["alpha"] * x + p["beta"], 0, 1),
        "elu": lambda x: F.elu(x, p["alpha"]),
        "softsign": F.softsign,
        "softplus": F.softplus,
    }[name]


class Weights:
    """Takes weights one after the other and remembers them."""

    def __init__(self, take):
        self.take, self.all = take, []

    def __call__(self, *shape):
        self.all.append(torch.nn.Parameter(self.take(*shape)))
        return self.all[-1]


def lstm(form, weights):
    """A torch.nn.LSTM of one layer; a reverse layer alone reads what is turned and is turned back."""
    passes = form["passes"]
    module = torch.nn.LSTM(
        form["input"],
        form["hidden"],
        bias=form["biased"],
        batch_first=True,
        bidirectional=len(passes) == 2,
        proj_size=form["projection"] or 0,
    )
    for end in ["", "_reverse"][: len(passes)]:
        names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if form["biased"] else [])
        for name in names + (["weight_hr"] if form["projection"] else []):
            old = getattr(module, f"{name}_l0{end}")
            setattr(module, f"{name}_l0{end}", weights(*old.shape))
    turned = len(passes) == 1 and passes[0]["reverse"]

    def run(x):
        out, (h, c) = module(x.flip(1) if turned else x)
        out = out.flip(1) if turned else out
        side_by_side = lambda state: state.transpose(0, 1).flatten(1)
        return out, side_by_side(h), side_by_side(c)

    return run


def layer(form, weights):
    if form == "softmax":
        return lambda x: torch.softmax(x, -1)
    ((kind, form),) = form.items()
    if kind == "each":
        return function(form)
    if kind == "dense":
        weight = weights(form["output"], form["input"])
        bias = weights(form["output"]) if form["biased"] else None
        return lambda x: F.linear(x, weight, bias)
    return lstm(form, weights)


def run(stack, weights):
    layers = [layer(form, weights) for form in stack["layers"]]
    heads = [[layer(form, weights) for form in head["layers"]] for head in stack["heads"]]

    def forward(x):
        outputs, hidden, cells = [], [], []
        for one in layers:
            given = one(x)
            x, h, c = given if isinstance(given, tuple) else (given, None, None)
            outputs.append(x)
            hidden.append(h)
            cells.append(c)

        def part(read):
            place, what = read["layer"], read["what"]
            if isinstance(what, dict):
                value = outputs[place][:, what["step"]]
            else:
                value = {"sequence": outputs, "hidden": hidden, "cell": cells}[what][place]
            return value[..., read["features"]["start"] : read["features"]["end"]]

        results = []
        for form, own in zip(stack["heads"], heads):
            value = torch.cat([part(read) for read in form["read"]], -1)
            before = value
            for one in own:
                before, value = value, one(value)
            results.append((before, value))
        return results

    return forward


def loss_of(loss, before, value, y):
    y = y.reshape(value.shape)
    if loss == "binary-cross-entropy":
        return F.binary_cross_entropy_with_logits(before, y)
    if loss == "cross-entropy":
        return F.cross_entropy(before.reshape(-1, before.shape[-1]), y.reshape(-1, y.shape[-1]))
    if loss == "mse":
        return F.mse_loss(value, y)
    if loss == "mae":
        return F.l1_loss(value, y)
    return F.huber_loss(value, y, delta=loss["huber"]["delta"])


def main():
    cases = json.loads(sys.stdin.buffer.readline())
    data = np.frombuffer(sys.stdin.buffer.read(), dtype="<f8")
    place = 0

    def take(*shape):
        nonlocal place
        n = int(np.prod(shape))
        place += n
        return torch.tensor(data[place - n : place].reshape(shape))

    for case in cases:
        weights = Weights(take)
        forward = run(case["stack"], weights)
        x = take(case["batch"], case["time"], case["stack"]["input"])
        total = 0
        for (before, value), loss in zip(forward(x), case["losses"]):
            total = total + loss_of(loss, before, value, take(*value.shape))
        total.backward()
        for array in [total] + [weight.grad for weight in weights.all]:
            sys.stdout.buffer.write(array.detach().numpy().astype("<f8").tobytes())


main()
