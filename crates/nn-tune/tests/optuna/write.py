"""Writes studies with all that Optuna's journals can hold: write.py PATH."""

import math
import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
sampler = optuna.samplers.RandomSampler(seed=1)


def suggest(trial):
    trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)
    trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    trial.suggest_float("momentum", 0.9, 0.999)
    trial.suggest_int("units", 8, 256, log=True)
    trial.suggest_int("layers", 1, 7, step=2)
    trial.suggest_categorical("activation", ["relu", None, True, 3, 2.5, "größe", "NaN"])


study = optuna.create_study(storage=storage, study_name="study", direction="maximize", sampler=sampler)
study.set_user_attr("data", {"name": "мнист 😀", "loss": [0.1, None, -1e-300]})
storage.set_study_system_attr(study._study_id, "fold", 3)
study.enqueue_trial({"dropout": 0.2, "layers": 5}, user_attrs={"first": True})
for number in range(8):
    trial = study.ask()
    suggest(trial)
    trial.set_user_attr("note", f"\"{number}\"\n\\ \u2028")
    trial.report(1.0 / 3.0 * number, 0)
    trial.report(math.nan, 1)
    trial.report(math.inf if number % 2 else -math.inf, 2**40)
    if number % 4 == 0:
        study.tell(trial, -0.1 * number)
    elif number % 4 == 1:
        study.tell(trial, state=TrialState.PRUNED)
    elif number % 4 == 2:
        study.tell(trial, state=TrialState.FAIL)
    # Others stay running.
study.add_trial(
    create_trial(
        state=TrialState.COMPLETE,
        value=math.inf,
        params={"learning_rate": 0.1, "units": 9, "activation": "relu"},
        distributions={
            "learning_rate": FloatDistribution(1e-5, 1.0, log=True),
            "units": IntDistribution(8, 256, log=True),
            "activation": CategoricalDistribution(["relu", None, True, 3, 2.5, "größe", "NaN"]),
        },
        intermediate_values={0: 1.0, 5: math.nan},
        user_attrs={"x": 2**60},
    )
)
study.enqueue_trial({"learning_rate": 0.25})

gone = optuna.create_study(storage=storage, study_name="gone")
gone.tell(gone.ask(), 1.0)
optuna.delete_study(study_name="gone", storage=storage)

several = optuna.create_study(storage=storage, study_name="several", directions=["minimize", "maximize"])
several.tell(several.ask(), [1.0, 2.0])
several.ask()
