from __future__ import annotations

from pathlib import Path

import pytest

from qubo_dnn.compression.task.cost_tables import REST, CostTable, read_table
from qubo_dnn.compression.task.options import Option
from qubo_dnn.compression.task.plan import LayerPlan, Plan
from qubo_dnn.errors import FileFormatError


def written(folder: Path, *rows: str, header: str = "layer,option,cost") -> Path:
    path = folder / "latency.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_rows_are_costs_of_layers_at_options(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "conv, 4@50% ,0.82", "", '"a,b",0,0', "conv,8,1e-3"))
    assert table.costs == {("conv", Option(4, 0.5)): 0.82, ("a,b", Option(0)): 0.0, ("conv", Option(8)): 1e-3}
    assert table.by_layer(["conv"], [Option(8), Option(4, 0.5)]).tolist() == [[1e-3, 0.82]]


def test_a_byte_order_mark_and_a_capital_header_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "conv,4,1", header="\ufeffLayer, Option,Cost")
    assert read_table(path).costs == {("conv", Option(4)): 1.0}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("conv,4", "line 3: 2 fields"),
        ("conv,4,1,2", "line 3: 4 fields"),
        ("conv,four,1", "line 3: 'four' is not an option"),
        ("conv,9,1", "line 3: bit width 9"),
        ("conv,0@50%,1", "line 3: 0 bits"),
        ("conv,4,much", "line 3: the cost 'much' is not a number"),
        ("conv,4,-1", "line 3: the cost -1 is not a finite number >= 0"),
        ("conv,4,nan", "line 3: the cost nan is not"),
        ("conv,4,inf", "line 3: the cost inf is not"),
        ("conv,2.0@0%,1", "line 3: '2.0@0%'"),
        ("conv,2,1", "line 3: the layer 'conv' has a cost at the option 2 already"),
        ("conv,2@0%,1", "line 3: the layer 'conv' has a cost at the option 2 already"),
        ('"conv,4,1', "cannot be read as CSV"),
    ],
)
def test_rows_that_are_no_costs_are_refused_with_their_line(tmp_path: Path, row: str, text: str) -> None:
    path = written(tmp_path, "conv,2,1", row)
    with pytest.raises(FileFormatError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("header", ["", "layer,cost,option", "conv,4,1", "layer;option;cost"])
def test_another_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(FileFormatError, match="line 1: the header is not layer,option,cost"):
        read_table(written(tmp_path, header=header))


COSTS = {
    ("a", Option(0)): 0.0,
    ("a", Option(4)): 1.0,
    ("a", Option(32)): 4.0,
    ("b", Option(32)): 6.0,
    ("unknown", Option(32)): 50.0,
}
HALF = Plan({"a": LayerPlan(1, (Option(0), Option(4)))})


class TestShareOfFloat:
    def test_layers_cost_the_average_of_their_channels(self) -> None:
        table = CostTable("latency.csv", COSTS)
        assert table.share_of_float(HALF, {"a": 2, "b": 3}) == pytest.approx(6.5 / 10)
        grouped = Plan({"a": LayerPlan(2, (Option(0), Option(4)))})
        assert table.share_of_float(grouped, {"a": 3}) == pytest.approx(1 / 3 / 4)

    def test_what_runs_beside_the_layers_counts(self) -> None:
        table = CostTable("latency.csv", {**COSTS, (REST, Option(8)): 1.0, (REST, Option(32)): 2.0})
        assert table.share_of_float(HALF, {"a": 2, "b": 3}) == pytest.approx(7.5 / 12)
        whole = Plan({"a": LayerPlan(2, (Option(32),))})
        assert table.share_of_float(whole, {"a": 2, "b": 3}) == 1.0

    def test_without_costs_in_float32_there_is_no_share(self) -> None:
        costs = {key: cost for key, cost in COSTS.items() if key != ("a", Option(32))}
        assert CostTable("latency.csv", costs).share_of_float(HALF, {"a": 2}) is None
        nothing = CostTable("latency.csv", dict.fromkeys(COSTS, 0.0))
        assert nothing.share_of_float(HALF, {"a": 2}) is None


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none.csv: cannot be read as CSV"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"layer,option,cost\n\xff\xfe,4,1\n")
    with pytest.raises(FileFormatError, match=r"binary.csv: cannot be read as CSV"):
        read_table(tmp_path / "binary.csv")
