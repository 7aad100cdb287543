"""Keras models through tf2onnx; the argument is a folder."""

import os
import sys

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.keras import Input, Model, layers

folder = sys.argv[1]
tf.keras.utils.set_random_seed(3)


def dense(*sizes, **options):
    return layers.Dense(*sizes, **options)


def lstm(size, **options):
    return layers.LSTM(size, **options)


MODELS = {
    "stack": lambda: [lstm(5, return_sequences=True), layers.Dropout(0.3), lstm(4), dense(2)],
    "both": lambda: [layers.Bidirectional(lstm(5)), dense(3, activation="softmax")],
    "both-sequence": lambda: [
        layers.Bidirectional(lstm(4, return_sequences=True)), lstm(6), dense(1, activation="sigmoid")
    ],
    "backwards": lambda: [lstm(5, go_backwards=True), dense(2, activation="relu")],
    "every": lambda: [lstm(5, return_sequences=True), layers.TimeDistributed(dense(2, activation="tanh"))],
    "no-bias": lambda: [lstm(5, use_bias=False), dense(2)],
    "deep": lambda: [
        dense(7, activation="relu"), lstm(6, return_sequences=True), lstm(4), dense(9, activation="elu"), dense(1)
    ],
}

for name, make in MODELS.items():
    for time, opset in ((6, 13), (None, 15), (6, 17)):
        x = y = Input((time, 3))
        for layer in make():
            y = layer(y)
        model = Model(x, y)
        # Biases that are not zero, as after training.
        model.set_weights([w + 0.1 * np.random.standard_normal(w.shape) for w in model.get_weights()])
        kind = "fixed" if time else "free"
        path = os.path.join(folder, f"tf2onnx-{tf2onnx.__version__}-{name}-{kind}-{opset}.onnx")
        signature = (tf.TensorSpec((None, time, 3), tf.float32, name="x"),)
        tf2onnx.convert.from_keras(model, input_signature=signature, opset=opset, output_path=path)
