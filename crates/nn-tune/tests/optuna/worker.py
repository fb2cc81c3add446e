"""Works on a study when a line comes in: worker.py PATH TRIALS. Prints the number of each trial."""

import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="study", storage=storage, sampler=optuna.samplers.RandomSampler())
print("ready", flush=True)
sys.stdin.readline()


def objective(trial):
    x = trial.suggest_float("x", -1.0, 1.0)
    layers = trial.suggest_int("layers", 1, 3)
    trial.report(x, 0)
    print("python", trial.number, flush=True)
    return x * x + layers


study.optimize(objective, n_trials=int(sys.argv[2]))
