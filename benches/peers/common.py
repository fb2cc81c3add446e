"""What the contestants in Python share: the data, the first weights, and the answers to `cargo xtask bench --peers`.

Arguments of a script: the network as JSON (see benches/src/networks.rs), and the number of threads.
"""

import sys
import time

import numpy as np

BATCHES = 40
INPUTS = 1000
TARGETS = 2000


def hashed(stream, count):
    """The hash of benches/src/data.rs of the numbers below `count`."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
        x ^= np.uint32(stream * 0x85EBCA6B & 0xFFFFFFFF)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))


def uniform(stream, shape):
    numbers = hashed(stream, int(np.prod(shape))) >> np.uint32(8)
    return (numbers.astype(np.float32) / np.float32(1 << 24)).reshape(shape)


def initial_weight(number, shape):
    """The `number`-th weight, from 1, uniform on ±√(3/fan-in)."""
    bound = np.float32(np.sqrt(3 / np.prod(shape[1:])))
    return (np.float32(2) * uniform(number, shape) - np.float32(1)) * bound


def batches(spec):
    """Pairs of inputs and targets; classes as int64."""
    size = spec["batch"]
    for number in range(BATCHES):
        inputs = uniform(INPUTS + number, [size, *spec["input"]])
        if spec["loss"] == "cross_entropy":
            targets = (hashed(TARGETS + number, size) % np.uint32(10)).astype(np.int64)
        elif spec["loss"] == "binary_cross_entropy":
            targets = inputs
        else:
            targets = uniform(TARGETS + number, [size, 1])
        yield inputs, targets


def serve(name, reset, step, data):
    """Answers requests `run WARM-UP STEPS` until the input ends: begins anew, takes the steps, and prints best and
    median seconds of the timed ones and the loss of the last. `step` returns the loss as a float."""
    print("ready", name, flush=True)
    for line in sys.stdin:
        _, warm_up, steps = line.split()
        warm_up, steps = int(warm_up), int(steps)
        reset()
        loss, seconds = float("nan"), []
        for i in range(warm_up + steps):
            inputs, targets = data[i % len(data)]
            begin = time.perf_counter()
            loss = step(inputs, targets)
            seconds.append(time.perf_counter() - begin)
        seconds = sorted(seconds[warm_up:])
        print(seconds[0], seconds[len(seconds) // 2], loss, flush=True)
