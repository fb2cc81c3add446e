"""Prints what Optuna reads in a journal: dump.py PATH. Numbers as their bits, times as microseconds since 1970."""

import json
import struct
import sys

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


def plain(x):
    if isinstance(x, float):
        return "float " + str(struct.unpack("<Q", struct.pack("<d", x))[0])
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(value) for value in x]
    return x


def time(t):
    # Optuna keeps local times without a zone.
    return None if t is None else round(t.timestamp() * 10**6)


def trial(t):
    return {
        "number": t.number,
        "state": t.state.name,
        "params": plain(t.params),
        "distributions": {
            name: [json.loads(distribution_to_json(d))["name"], plain(d._asdict())]
            for name, d in t.distributions.items()
        },
        "values": plain(t.values),
        "intermediate": plain(t.intermediate_values),
        "started": time(t.datetime_start),
        "ended": time(t.datetime_complete),
        "user": plain(t.user_attrs),
        "system": plain(t.system_attrs),
    }


def study(storage, s):
    return {
        "name": s.study_name,
        "directions": [d.name.lower() for d in s.directions],
        "user": plain(s.user_attrs),
        "system": plain(s.system_attrs),
        "trials": [trial(t) for t in storage.get_all_trials(s._study_id)],
    }


storage = JournalStorage(JournalFileBackend(sys.argv[1]))
print(json.dumps([study(storage, s) for s in storage.get_all_studies()]))
