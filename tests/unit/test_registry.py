from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qubo_dnn import registry
from qubo_dnn.errors import (
    BackendUnavailableError,
    MissingExtraError,
    OptionError,
    UnknownBackendError,
    UnknownFormulationError,
)
from qubo_dnn.registry import BACKENDS, get_backend, get_formulation, list_backends, list_formulations, origin

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution with the given entry points on the path."""

    def put(distribution: str, points: str) -> None:
        info = tmp_path / distribution / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(tmp_path / distribution)
        registry._plugins.cache_clear()

    yield put
    registry._plugins.cache_clear()


def test_names_are_sorted_and_built_ins_are_among_them() -> None:
    assert list(list_backends()) == sorted(list_backends())
    assert {"exact", "pt", "neal"} <= set(list_backends())
    assert {"pruning-quantization", "aqc-pruning-quantization"} <= set(list_formulations())


def test_an_unknown_name_is_refused_with_the_near_match() -> None:
    with pytest.raises(UnknownBackendError, match="unknown backend 'neel'; did you mean 'neal'"):
        get_backend("neel")
    with pytest.raises(UnknownFormulationError, match="did you mean 'pruning-quantization'"):
        get_formulation("pruning-quantisation")


@pytest.mark.parametrize(("group", "get"), [("backends", get_backend), ("formulations", get_formulation)])
def test_a_name_that_two_distributions_bring_is_refused_naming_both(
    install: Install, group: str, get: Callable[[str], object]
) -> None:
    for distribution in ("first", "second"):
        install(distribution, f"[qubo_dnn.{group}]\nclash = json:loads\n")
    with pytest.raises(OptionError, match=r"(?=.*first 1\.0)(?=.*second 1\.0).*'clash'|'clash'.*first 1\.0"):
        get("clash")


def test_a_built_in_cannot_be_replaced_silently(install: Install) -> None:
    install("impostor", "[qubo_dnn.backends]\nneal = json:loads\n")
    with pytest.raises(OptionError, match=r"impostor 1\.0"):
        get_backend("neal")
    assert "qubo-dnn" in origin(BACKENDS, "neal")
    assert get_backend("exact").name == "exact"


@pytest.mark.parametrize("target", ["a_module_that_is_not_there:Thing", "json:Thing"])
def test_a_plugin_that_cannot_be_loaded_names_its_distribution(install: Install, target: str) -> None:
    install("broken", f"[qubo_dnn.backends]\nbent = {target}\n[qubo_dnn.formulations]\nbent = {target}\n")
    with pytest.raises(BackendUnavailableError, match=r"'bent' of broken 1\.0 cannot be loaded"):
        get_backend("bent")
    with pytest.raises(MissingExtraError, match=r"'bent' of broken 1\.0 cannot be loaded") as caught:
        get_formulation("bent")
    assert not isinstance(caught.value, BackendUnavailableError)


def test_a_variant_goes_to_the_backend_that_takes_one() -> None:
    assert vars(get_backend("qpu-emulator:zephyr:4"))["variant"] == "zephyr:4"
    with pytest.raises(OptionError, match="'tabu' has no variants; remove 'fast'"):
        get_backend("tabu:fast")
    with pytest.raises(UnknownBackendError, match="did you mean 'tabu'"):
        get_backend("tabo:fast")
