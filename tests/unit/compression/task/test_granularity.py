import pytest

from qubo_dnn.compression.task.granularity import group_size
from qubo_dnn.errors import OptionError


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("layer", 10),
        ("channel", 1),
        ("coupled-channel", 1),
        ("auto", 1),
        ("group:1", 1),
        ("group:4", 4),
        ("group:64", 10),
    ],
)
def test_group_size_of_ten_channels(granularity: str, expected: int) -> None:
    assert group_size(granularity, 10) == expected


@pytest.mark.parametrize("granularity", ["", "filter", "group", "group:", "group:0", "group:-1", "group:4x", "Layer"])
def test_other_granularities_are_refused(granularity: str) -> None:
    with pytest.raises(OptionError, match="none of layer, channel, coupled-channel, auto, group:N"):
        group_size(granularity, 10)
