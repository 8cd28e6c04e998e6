"""A network that was trained again is another one: what was measured of the first is no measurement of it."""

import json

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from ghostlib.redundancy.recorded import is_recorded, origin_of
from ghostlib.weights.digest import KEY

ABOUT = {"network": "ghostnet 0.5", "s": 2, "seed": 0}


def test_weights_say_which_they_are_and_where_they_were_trained(tmp_path):
    path = tmp_path / "last.safetensors"
    save_file({"w": np.ones(2, np.float32)}, path, {KEY: "0123456789abcdef", "versions": json.dumps({"machine": "a CPU"})})
    assert origin_of(path) == {"weights_hash": "0123456789ab", "trained_on": "a CPU"}
    save_file({"w": np.ones(2, np.float32)}, path)
    assert origin_of(path) == {"weights_hash": "", "trained_on": ""}


def test_what_was_measured_of_other_weights_or_by_fewer_photographs_does_not_count(tmp_path):
    table = tmp_path / "rows.csv"
    assert not is_recorded(table, ABOUT, list(ABOUT))
    pd.DataFrame([{**ABOUT, "weights_hash": "aa"}, {**ABOUT, "seed": 1, "weights_hash": ""}]).assign(
        photographs=1000).to_csv(table, index=False)
    for about, more, there in (({}, [], True), ({"weights_hash": "aa"}, [], True), ({"weights_hash": "bb"}, [], False),
                               ({"photographs": 1000}, ["photographs"], True),
                               ({"photographs": 100}, ["photographs"], False),
                               ({"seed": 1, "weights_hash": "bb"}, [], True), ({"seed": 2}, [], False)):
        assert is_recorded(table, {**ABOUT, **about}, list(ABOUT), more) == there, about
