"""Optuna's samplers on the problems of the table.

    pip install optuna==5.0.0 cmaes==0.13.1 scipy==1.17.1
    python optuna_samplers.py SAMPLERS TRIALS SEEDS

SAMPLERS is the program that prints the table. It is asked for the spaces and for the value of each point, so that the
problems are the same. Prints one line for each study, `study;SAMPLER;PROBLEM;SEED;BEST`, and for each sampler
`overhead;SAMPLER;SECONDS`: the time that one more trial takes after 1,000 finished ones.
"""

import json
import math
import subprocess
import sys
import time
import warnings

import optuna
from optuna.samplers import CmaEsSampler, QMCSampler, RandomSampler, TPESampler

SAMPLERS = {
    "RandomSampler": lambda seed: RandomSampler(seed=seed),
    "QMCSampler": lambda seed: QMCSampler(seed=seed, scramble=True),
    "TPESampler": lambda seed: TPESampler(seed=seed),
    "TPESampler, univariate": lambda seed: TPESampler(seed=seed, multivariate=False),
    "CmaEsSampler": lambda seed: CmaEsSampler(seed=seed),
}
FINISHED = 1000
TIMED = 20


class Server:
    """The program that knows the problems."""

    def __init__(self, program):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, "--serve"], stdin=pipe, stdout=pipe, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


def suggest(trial, axis):
    """The number that the problem takes: a choice as its position."""
    name, low, high = axis["name"], axis.get("low"), axis.get("high")
    match axis["kind"]:
        case "choice":
            return trial.suggest_categorical(name, list(range(axis["count"])))
        case "int":
            return trial.suggest_int(name, low, high, log=axis["log"])
        case "power":
            return 2 ** trial.suggest_int(name, low, high)
        case "one minus":
            return 1 - trial.suggest_float(name, 1 - high, 1 - low, log=True)
        case "float":
            return trial.suggest_float(name, low, high, log=axis["log"])
    raise ValueError(axis)


def best(server, problem, sampler, trials):
    def objective(trial):
        numbers = [suggest(trial, axis) for axis in problem["space"]]
        return float(server.ask(" ".join([problem["name"], *map(repr, numbers)])))

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study.best_value


def overhead(sampler):
    """As the program times its own: eight floats on a logarithmic scale, the best of many trials."""
    axes = [{"name": f"x{i}", "kind": "float", "low": 1e-4, "high": 1.0, "log": True} for i in range(8)]

    def value(trial):
        return sum((math.log10(suggest(trial, axis)) + 2) ** 2 for axis in axes)

    random = optuna.create_study(sampler=RandomSampler(seed=1))
    random.optimize(value, n_trials=FINISHED)
    study = optuna.create_study(sampler=sampler)
    study.add_trials(random.trials)
    shortest = math.inf
    for _ in range(TIMED):
        start = time.perf_counter()
        trial = study.ask()
        numbers = value(trial)
        study.tell(trial, numbers)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def main():
    program, trials, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    server = Server(program)
    for problem in json.loads(server.ask("spaces")):
        for name, sampler in SAMPLERS.items():
            for seed in range(seeds):
                value = best(server, problem, sampler(seed), trials)
                print("study", name, problem["name"], seed, repr(value), sep=";", flush=True)
    for name, sampler in SAMPLERS.items():
        print("overhead", name, overhead(sampler(0)), sep=";", flush=True)


main()
