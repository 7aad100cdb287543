"""Keras models through tf2onnx; the argument is a folder."""

import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, tensorflow as tf, tf2onnx
from tensorflow.keras import layers as L, Model, Input
out = sys.argv[1]
tf.keras.utils.set_random_seed(3)
def seq(*ls, time=None):
    x = Input((time, 3)); y = x
    for l in ls: y = l(y)
    return Model(x, y)
models = {
 "stack": lambda t: seq(L.LSTM(5, return_sequences=True), L.Dropout(0.3), L.LSTM(4), L.Dense(2), time=t),
 "both": lambda t: seq(L.Bidirectional(L.LSTM(5)), L.Dense(3, activation="softmax"), time=t),
 "both-sequence": lambda t: seq(L.Bidirectional(L.LSTM(4, return_sequences=True)), L.LSTM(6), L.Dense(1, activation="sigmoid"), time=t),
 "backwards": lambda t: seq(L.LSTM(5, go_backwards=True), L.Dense(2, activation="relu"), time=t),
 "every": lambda t: seq(L.LSTM(5, return_sequences=True), L.TimeDistributed(L.Dense(2, activation="tanh")), time=t),
 "no-bias": lambda t: seq(L.LSTM(5, use_bias=False), L.Dense(2), time=t),
 "deep": lambda t: seq(L.Dense(7, activation="relu"), L.LSTM(6, return_sequences=True), L.LSTM(4), L.Dense(9, activation="elu"), L.Dense(1), time=t),
}
for name, make in models.items():
    for time, opset in ((6, 13), (None, 15), (6, 17)):
        m = make(time)
        # biases that are not zero, as after training
        m.set_weights([w + 0.1 * np.random.standard_normal(w.shape) for w in m.get_weights()])
        kind = "fixed" if time else "free"
        path = os.path.join(out, f"tf2onnx-{tf2onnx.__version__}-{name}-{kind}-{opset}.onnx")
        try:
            sig = (tf.TensorSpec((None, time, 3), tf.float32, name="x"),)
            model, _ = tf2onnx.convert.from_keras(m, input_signature=sig, opset=opset, output_path=path)
            print(name, time, opset, [n.op_type for n in model.graph.node], os.path.getsize(path))
        except Exception as e:
            print("FAIL", name, time, opset, repr(e)[:300])
