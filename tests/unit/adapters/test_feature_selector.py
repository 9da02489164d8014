from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from qubo_dnn.errors import FormulationError, OptionError

pytest.importorskip("sklearn")


def selector(*arguments: Any, **options: Any) -> Any:
    from qubo_dnn.adapters.feature_selector import QuboFeatureSelector

    return QuboFeatureSelector(*arguments, **options)


def data() -> tuple[Any, Any]:
    """The target is a function of the features 1 and 4; feature 2 repeats feature 1, the others are noise."""
    rng = np.random.default_rng(0)
    x = rng.integers(2, size=(300, 6)).astype(float)
    x[:, 2] = x[:, 1]
    return x, np.array(["none", "one", "two"])[(x[:, 1] + x[:, 4]).astype(int)]


def test_takes_what_is_relevant_and_not_redundant() -> None:
    x, y = data()
    made = pickle.loads(pickle.dumps(selector(2, backend="exact").fit(x, y)))
    chosen = made.get_support(indices=True).tolist()
    assert chosen in ([1, 4], [2, 4])
    np.testing.assert_array_equal(made.transform(x), x[:, chosen])
    assert made.objective_ > 0.0


@pytest.mark.parametrize(("asked", "count"), [(None, 3), (0.5, 3), (0.01, 1), (1, 1), (6, 6)])
def test_numbers_of_features(asked: float | None, count: int) -> None:
    x, y = data()
    assert selector(asked, random_state=1).fit(x, y).support_.sum() == count


def test_seeds_reproduce() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 20))
    y = x[:, :5].sum(axis=1)
    options = {"num_reads": 1, "num_sweeps": 5}
    one, other = (selector(7, random_state=9, options=options).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(one.support_, other.support_)


def test_in_a_pipeline_with_names() -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    x, y = data()
    pipeline = make_pipeline(clone(selector(2, random_state=1)), LogisticRegression()).fit(x, y)
    assert pipeline.score(x, y) > 0.9
    names = pipeline[0].get_feature_names_out([f"f{i}" for i in range(6)])
    assert set(names) in ({"f1", "f4"}, {"f2", "f4"})


def test_errors() -> None:
    x, y = data()
    with pytest.raises(FormulationError, match="7 features cannot be taken from 6"):
        selector(7).fit(x, y)
    with pytest.raises(FormulationError, match="at least 2 bins"):
        selector(2, bins=1).fit(x, y)
    with pytest.raises(OptionError, match="num_raeds"):
        selector(2, options={"num_raeds": 1}).fit(x, y)
    with pytest.raises(ValueError, match="NaN"):
        selector(2).fit(np.full((5, 3), np.nan), np.arange(5))


def test_estimator_checks() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    check_estimator(selector(backend="steepest-descent", random_state=1))
