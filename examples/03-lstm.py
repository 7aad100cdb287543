"""Makes 03-lstm.safetensors: a small PyTorch model, half trained to add up eight numbers, saved as PyTorch users save one.

    pip install torch safetensors && python 03-lstm.py

What PyTorch predicts for the first window is kept beside the tensors, for the example to compare.
"""

import torch
from safetensors.torch import save_file


class Sum(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, 16, batch_first=True)
        self.fc = torch.nn.Linear(16, 1)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1])


torch.manual_seed(1)
model = Sum()
index = torch.arange(256 * 8, dtype=torch.int64).reshape(256, 8, 1)
x = (index * 2_654_435_761 % 2001).float() / 1000 - 1  # the same numbers as in the example
y = x.sum(1)
optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(60):
    optimiser.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimiser.step()
first = model(x[:1]).item()
print(f"PyTorch {torch.__version__}: loss {loss.item():.5f}, prediction {first:.6f} for {y[0].item():.6f}")
save_file(model.state_dict(), "03-lstm.safetensors", metadata={"pytorch": torch.__version__, "prediction": repr(first)})
