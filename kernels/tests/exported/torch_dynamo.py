"""Models through the newer exporter of torch; the argument is a folder."""

import os, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np, torch
from torch import nn
import logging
out = sys.argv[1]
torch.manual_seed(3)

class Base(nn.Module):
    def __init__(self, layers=1, both=False, size=3, hidden=5, outputs=2, bias=True, batch_first=True):
        super().__init__()
        self.lstm = nn.LSTM(size, hidden, layers, bias=bias, batch_first=batch_first, bidirectional=both)
        self.fc = nn.Linear(hidden * (1 + both), outputs)

class Last(Base):
    def forward(self, x): return self.fc(self.lstm(x)[0][:, -1])
class Every(Base):
    def forward(self, x): return torch.tanh(self.fc(self.lstm(x)[0]))
class Hidden(Base):
    def forward(self, x): return torch.sigmoid(self.fc(self.lstm(x)[1][0][-1]))
class BothHidden(Base):
    def forward(self, x):
        h = self.lstm(x)[1][0]
        return torch.softmax(self.fc(torch.cat([h[-2], h[-1]], 1)), 1)
class Zeros(Base):
    def forward(self, x):
        zero = torch.zeros(self.lstm.num_layers, x.size(0), self.lstm.hidden_size, dtype=x.dtype)
        y, (h, c) = self.lstm(x, (zero, zero))
        return self.fc(y[:, -1, :]), h[-1], c[-1]
class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Dropout(0.5))
        self.one, self.two = nn.LSTM(7, 6, batch_first=True, bidirectional=True), nn.LSTM(12, 4, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(4, 9), nn.LeakyReLU(0.2), nn.Linear(9, 3), nn.Softmax(-1))
        self.register_buffer("mean", torch.randn(3)); self.register_buffer("std", torch.rand(3) + 0.5)
    def forward(self, x):
        return self.head(self.two(self.one(self.up((x - self.mean) / self.std))[0])[0][:, -1])

modules = {"last": Last(2), "last-no-bias": Last(1, bias=False), "last-both": Last(2, True), "every": Every(2), "hidden": Hidden(2),
  "hidden-both": BothHidden(1, True), "states": Zeros(2), "deep": Deep()}
for name, module in modules.items():
    module.eval()
    for free in (True, False):
        x = torch.randn(2, 6, 3)
        shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("time")},) if free else None
        path = os.path.join(out, f"torch-{torch.__version__.split('+')[0]}-{name}-{'free' if free else 'fixed'}.onnx")
        try:
            program = torch.onnx.export(module, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False, input_names=["x"])
            program.save(path, external_data=False)
            print(name, free, [n.op_type for n in program.model_proto.graph.node], os.path.getsize(path))
        except Exception as e:
            print("FAIL", name, free, repr(e)[:600])
