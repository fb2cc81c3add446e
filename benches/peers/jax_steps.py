"""Training steps of JAX, the whole step compiled, its buffers donated: `jax_steps.py NETWORK THREADS`."""

import json
import os
import sys

if sys.argv[2] == "1":
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), flags])
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import common

ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}
NHWC = ("NHWC", "HWIO", "NHWC")


def weight_maker():
    count = 0

    def weight(*shape):
        nonlocal count
        count += 1
        return common.initial_weight(count, list(shape))

    return weight


def initial_parameters(spec):
    """For each layer the tuple of its arrays. Images are [height, width, channels] here."""
    shape, weight, parameters = list(spec["input"]), weight_maker(), []
    image = None
    for layer in spec["layers"]:
        kind, own = layer["kind"], ()
        if kind == "linear":
            w = weight(layer["units"], shape[0])
            if image is not None:  # the features in the order of this layout
                channels, height, width = image
                w = w.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(w.shape)
                image = None
            own = (np.ascontiguousarray(w.T), np.zeros(layer["units"], np.float32))
            shape = [layer["units"]]
        elif kind == "batch_norm":
            own = (np.ones(shape[0], np.float32), np.zeros(shape[0], np.float32))
        elif kind == "conv":
            channels, kernel, padding = layer["channels"], layer["kernel"], layer["padding"]
            w = weight(channels, shape[0], kernel, kernel)
            own = (np.ascontiguousarray(w.transpose(2, 3, 1, 0)), np.zeros(channels, np.float32))
            shape = [channels] + [side + 2 * padding + 1 - kernel for side in shape[1:]]
        elif kind == "max_pool":
            shape = [shape[0]] + [side // layer["width"] for side in shape[1:]]
        elif kind == "flatten":
            image = shape
            shape = [int(np.prod(shape))]
        elif kind in ("rnn", "lstm"):
            units, gates = layer["units"], 4 if kind == "lstm" else 1
            w_input, w_state = weight(gates * units, shape[1]), weight(gates * units, units)
            own = (w_input.T.copy(), w_state.T.copy(), np.zeros(gates * units, np.float32))
            shape = [units]
        parameters.append(own)
    return parameters


def last_state(kind, own, x):
    """A recurrent layer over [time, batch, inputs]; the products with all inputs are one."""
    w_input, w_state, bias = own
    products = x @ w_input + bias
    zero = jnp.zeros((x.shape[1], w_state.shape[0]), x.dtype)

    def rnn(h, product):
        return jnp.tanh(product + h @ w_state), None

    def lstm(state, product):
        h, c = state
        i, f, g, o = jnp.split(product + h @ w_state, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    if kind == "rnn":
        return lax.scan(rnn, zero, products)[0]
    return lax.scan(lstm, (zero, zero), products)[0][0]


def apply(spec, parameters, x, key):
    for i, (layer, own) in enumerate(zip(spec["layers"], parameters)):
        kind = layer["kind"]
        if kind == "linear":
            x = x @ own[0] + own[1]
        elif kind == "batch_norm":
            mean, variance = x.mean(0), x.var(0)
            x = (x - mean) * lax.rsqrt(variance + 1e-5) * own[0] + own[1]
        elif kind == "dropout":
            keep = 1 - layer["rate"]
            mask = jax.random.bernoulli(jax.random.fold_in(key, i), keep, x.shape)
            x = jnp.where(mask, x / keep, 0)
        elif kind == "conv":
            padding = [(layer["padding"], layer["padding"])] * 2
            x = lax.conv_general_dilated(x, own[0], (1, 1), padding, dimension_numbers=NHWC) + own[1]
        elif kind == "max_pool":
            window = (1, layer["width"], layer["width"], 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        elif kind == "flatten":
            x = x.reshape(x.shape[0], -1)
        elif kind in ("rnn", "lstm"):
            x = last_state(kind, own, x)
        else:
            x = ACTIVATIONS[kind](x)
    return x


def cost(spec, parameters, inputs, targets, key):
    z = apply(spec, parameters, inputs, key)
    if spec["loss"] == "cross_entropy":
        log_probabilities = jax.nn.log_softmax(z)
        return -jnp.take_along_axis(log_probabilities, targets[:, None], axis=1).mean()
    if spec["loss"] == "binary_cross_entropy":
        return (jnp.maximum(z, 0) - z * targets + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()
    return jnp.square(z - targets).mean()


def updated(spec, count, w, g, slots):
    rate = spec["learning_rate"]
    if spec["update"] == "adam":
        m = 0.9 * slots[0] + 0.1 * g
        v = 0.999 * slots[1] + 0.001 * g * g
        return w - rate * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8), (m, v)
    if spec["update"] == "sgd":
        return w - rate * g, ()
    v = 0.9 * slots[0] + g
    return w - rate * (g + 0.9 * v if spec["update"] == "nesterov" else v), (v,)


def main():
    spec = json.loads(sys.argv[1])
    slots = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2}[spec["update"]]
    key = jax.random.key(0)

    def train_step(state, inputs, targets):
        parameters, moments, count = state
        count = count + 1
        here = jax.random.fold_in(key, count)
        loss, gradient = jax.value_and_grad(lambda p: cost(spec, p, inputs, targets, here))(parameters)
        leaves, tree = jax.tree.flatten(parameters)
        update = [
            updated(spec, count, w, g, own) for w, g, own in zip(leaves, jax.tree.leaves(gradient), moments)
        ]
        parameters = jax.tree.unflatten(tree, [w for w, _ in update])
        return (parameters, [own for _, own in update], count), loss

    compiled = jax.jit(train_step, donate_argnums=0)
    first = initial_parameters(spec)
    state = None

    def reset():
        nonlocal state
        moments = [tuple(jnp.zeros_like(w) for _ in range(slots)) for w in jax.tree.leaves(first)]
        state = (jax.tree.map(jnp.array, first), moments, jnp.int32(0))
        jax.block_until_ready(state)

    def step(inputs, targets):
        nonlocal state
        state, loss = compiled(state, inputs, targets)
        return float(loss)

    data = []
    for inputs, targets in common.batches(spec):
        if len(spec["input"]) == 2:
            inputs = np.swapaxes(inputs, 0, 1)
        elif len(spec["input"]) == 3:
            inputs = inputs.transpose(0, 2, 3, 1)
        if targets.dtype == np.int64:
            targets = targets.astype(np.int32)
        data.append((jnp.array(inputs), jnp.array(targets)))
    reset()
    step(*data[0])
    common.serve(f"JAX {jax.__version__}", reset, step, data)


main()
