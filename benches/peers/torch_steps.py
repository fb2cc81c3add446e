"""Training steps of PyTorch, eager or compiled: `torch_steps.py NETWORK THREADS eager|compiled`."""

import json
import sys

import numpy as np
import torch
from torch import nn

import common


class LastState(nn.Module):
    """A recurrent layer over `[time, batch, inputs]`, of which the last state is wanted."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][-1]


def build(spec):
    shape, modules = list(spec["input"]), []
    for layer in spec["layers"]:
        kind = layer["kind"]
        if kind == "linear":
            modules.append(nn.Linear(shape[0], layer["units"]))
            shape = [layer["units"]]
        elif kind == "batch_norm":
            modules.append(nn.BatchNorm1d(shape[0]))
        elif kind == "dropout":
            modules.append(nn.Dropout(layer["rate"]))
        elif kind == "conv":
            channels, kernel, padding = layer["channels"], layer["kernel"], layer["padding"]
            modules.append(nn.Conv2d(shape[0], channels, kernel, padding=padding))
            shape = [channels] + [side + 2 * padding + 1 - kernel for side in shape[1:]]
        elif kind == "max_pool":
            modules.append(nn.MaxPool2d(layer["width"]))
            shape = [shape[0]] + [side // layer["width"] for side in shape[1:]]
        elif kind == "flatten":
            modules.append(nn.Flatten())
            shape = [int(np.prod(shape))]
        elif kind in ("rnn", "lstm"):
            recurrent = nn.RNN if kind == "rnn" else nn.LSTM
            modules.append(LastState(recurrent(shape[1], layer["units"])))
            shape = [layer["units"]]
        else:
            modules.append({"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}[kind]())
    return nn.Sequential(*modules)


def initial_values(model):
    weights, values = 0, []
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            weights += 1
            values.append(torch.from_numpy(common.initial_weight(weights, list(parameter.shape))))
        else:
            values.append(torch.zeros_like(parameter) if "bias" in name else torch.ones_like(parameter))
    return values


def make_optimizer(spec, parameters):
    rate = spec["learning_rate"]
    if spec["update"] == "adam":
        return torch.optim.Adam(parameters, lr=rate, fused=True)
    momentum = 0.0 if spec["update"] == "sgd" else 0.9
    nesterov = spec["update"] == "nesterov"
    return torch.optim.SGD(parameters, lr=rate, momentum=momentum, nesterov=nesterov, fused=True)


def main():
    spec, threads, mode = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    model = build(spec)
    values = initial_values(model)
    optimizer = make_optimizer(spec, model.parameters())
    losses = {
        "cross_entropy": nn.functional.cross_entropy,
        "binary_cross_entropy": nn.functional.binary_cross_entropy_with_logits,
        "mean_squared": nn.functional.mse_loss,
    }
    loss_of = losses[spec["loss"]]

    def cost(inputs, targets):
        return loss_of(model(inputs), targets)

    if mode == "compiled":
        cost = torch.compile(cost)

    def step(inputs, targets):
        optimizer.zero_grad(set_to_none=True)
        loss = cost(inputs, targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    def reset():
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), values):
                parameter.copy_(value)
            for state in optimizer.state.values():
                for slot in state.values():
                    if slot is not None:
                        slot.zero_()

    recurrent = any(layer["kind"] in ("rnn", "lstm") for layer in spec["layers"])
    data = []
    for inputs, targets in common.batches(spec):
        if recurrent:
            inputs = np.ascontiguousarray(np.swapaxes(inputs, 0, 1))
        data.append((torch.from_numpy(inputs), torch.from_numpy(targets)))
    reset()
    step(*data[0])
    common.serve(f"PyTorch {torch.__version__} {mode}", reset, step, data)


main()
