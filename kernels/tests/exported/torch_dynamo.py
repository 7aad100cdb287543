"""Modules through the newer exporter of torch; the argument is a folder."""

import os
import sys

import torch
from torch import nn

folder = sys.argv[1]
torch.manual_seed(3)


class Base(nn.Module):
    def __init__(self, layers=1, both=False, size=3, hidden=5, out=2, bias=True):
        super().__init__()
        self.lstm = nn.LSTM(size, hidden, layers, bias=bias, batch_first=True, bidirectional=both)
        self.fc = nn.Linear(hidden * (1 + both), out)


class Last(Base):
    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


class Every(Base):
    def forward(self, x):
        return torch.tanh(self.fc(self.lstm(x)[0]))


class Hidden(Base):
    def forward(self, x):
        return torch.sigmoid(self.fc(self.lstm(x)[1][0][-1]))


class BothHidden(Base):
    def forward(self, x):
        h = self.lstm(x)[1][0]
        return torch.softmax(self.fc(torch.cat([h[-2], h[-1]], 1)), 1)


class States(Base):
    def forward(self, x):
        zero = torch.zeros(self.lstm.num_layers, x.size(0), self.lstm.hidden_size, dtype=x.dtype)
        out, (h, c) = self.lstm(x, (zero, zero))
        return self.fc(out[:, -1, :]), h[-1], c[-1]


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


MODULES = {
    "last": Last(2),
    "last-no-bias": Last(1, bias=False),
    "last-both": Last(2, True),
    "every": Every(2),
    "hidden": Hidden(2),
    "hidden-both": BothHidden(1, True),
    "states": States(2),
    "deep": Deep(),
}

version = torch.__version__.split("+")[0]
for name, module in MODULES.items():
    module.eval()
    for kind in ("free", "fixed"):
        x = torch.randn(2, 6, 3)
        free = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("time")},)
        shapes = free if kind == "free" else None
        program = torch.onnx.export(module, (x,), dynamo=True, dynamic_shapes=shapes, input_names=["x"])
        program.save(os.path.join(folder, f"torch-{version}-{name}-{kind}.onnx"), external_data=False)
