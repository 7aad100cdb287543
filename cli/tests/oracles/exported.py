"""A model as a PyTorch user exports it, and what it predicts on a file of bars.

Arguments: a CSV file, the ONNX file to write, rows in a window. Two directions, two values; features: the log return of
the close and the close over the open, less one, times 100, for which the module itself has mean and deviation.
Standard output: for each window, in order of time, both values in float64 as JSON.
"""

import csv
import json
import sys
import warnings

import numpy as np
import torch

warnings.filterwarnings("ignore")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.0001, 0.01]))
        self.register_buffer("deviation", torch.tensor([0.0007, 0.06]))
        self.lstm = torch.nn.LSTM(2, 6, 2, batch_first=True, bidirectional=True)
        self.head = torch.nn.Sequential(torch.nn.Linear(12, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))

    def forward(self, x):
        return self.head(self.lstm((x - self.mean) / self.deviation)[0][:, -1])


torch.manual_seed(5)
source, target, window = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = Model().eval()
axes = {"x": {0: "batch", 1: "time"}}
torch.onnx.export(model, torch.zeros(2, window, 2), target, input_names=["x"], dynamic_axes=axes, opset_version=14)

with open(source) as file:
    bars = [(float(row["open"]), float(row["close"])) for row in csv.DictReader(file)]
open_, close = np.array(bars).T
features = np.stack([np.log(close[1:] / close[:-1]), (close / open_ - 1)[1:] * 100], 1)
windows = np.lib.stride_tricks.sliding_window_view(features, window, axis=0).transpose(0, 2, 1)
with torch.no_grad():
    print(json.dumps(model.double()(torch.tensor(windows.copy())).tolist()))
