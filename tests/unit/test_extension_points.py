"""Export formats, metrics, benchmarks and commands: a file that is dropped into its folder is found, in a checkout and
where simgen is installed."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from simgen.core.errors import UnknownName
from simgen.core.sample import Sample
from simgen.eval.benchmarks import benchmark, benchmarks
from simgen.export import export_format, formats
from simgen.metrics import Metric, Prediction, Reference, metric, metrics
from simgen.storage.resources import PACKAGE

FORMAT = """
from simgen.export import ExportFormat

def write(data, out, options):
    (out / "keys.txt").write_text(options.get("separator", "\\n").join(data.keys))

FORMAT = ExportFormat(name="key-list", description="The keys of the samples.", write=write)
"""
METRIC = """
import numpy as np
from simgen.metrics import Metric

def end_mae(truth, prediction):
    return float(np.abs(truth.end.astype(float) - prediction).mean() / 255)

METRIC = Metric(name="dropped_mae", unit="1", direction="lower", function=end_mae)
"""
BENCHMARK = """
from simgen.eval.benchmarks import Benchmark
from simgen.metrics import metric

def run(editor, data):
    pairs = [(sample, editor(sample.start, sample.record["instructions"]["explicit"])) for sample in data]
    return {"dropped_mae": sum(metric("dropped_mae").function(*pair) for pair in pairs) / len(pairs)}

BENCHMARK = Benchmark(name="dropped", description="All pairs.", metrics=("dropped_mae",), run=run)
"""
COMMAND = """
import click

SECTION = "Use a data set"

@click.command()
def count_keys() -> int:
    '''Count the samples of a data set.'''
    click.echo("counted")
    return 5
"""
FILES = {
    "simgen.export": FORMAT,
    "simgen.metrics": METRIC,
    "simgen.eval.benchmarks": BENCHMARK,
    "simgen.cli.commands": COMMAND,
}
NAME = "count_keys"
"""Of the file that is dropped in."""


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file in the folder of each package."""
    for name, text in FILES.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{NAME}.py").write_text(text)
        package = importlib.import_module(name)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    yield
    for name in FILES:
        if sys.modules.pop(f"{name}.{NAME}", None):
            delattr(sys.modules[name], NAME)


def keeps_its_order(metric: Metric, sample: Sample) -> bool:
    """Scores the references that every sample has."""
    predictions: dict[Reference, Prediction] = {"truth": sample.end, "copy": sample.start}
    return metric.in_order({name: metric.function(sample, picture) for name, picture in predictions.items()})


@pytest.mark.usefixtures("dropped")
def test_an_export_format_is_found_by_name_and_writes(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    import simgen

    data = simgen.open(make_dataset(tmp_path / "data", n=4))
    assert formats()["key-list"].description == "The keys of the samples."
    export_format("key-list").write(data, tmp_path, {"separator": " "})
    assert (tmp_path / "keys.txt").read_text().split() == list(data.keys)


@pytest.mark.usefixtures("dropped")
def test_a_metric_is_found_by_name_and_tells_truth_from_copy(make_sample: Callable[..., Sample]) -> None:
    sample = make_sample(0)
    found = metric("dropped_mae")
    assert found.function(sample, sample.end) == 0.0
    assert keeps_its_order(found, sample)


@pytest.mark.usefixtures("dropped")
def test_a_benchmark_is_found_by_name_and_measures_an_editor(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    import simgen

    data = simgen.open(make_dataset(tmp_path / "data", n=4))
    found = benchmark("dropped")
    figures = found.run(lambda start, instruction: start, data)
    assert set(figures) == set(found.metrics) and figures["dropped_mae"] > 0


def test_what_is_not_there_is_named_with_the_nearest(dropped: None) -> None:
    for find, what, meant in (
        (export_format, "key-lisst", "key-list"),
        (metric, "droped_mae", "dropped_mae"),
        (benchmark, "droppped", "dropped"),
    ):
        with pytest.raises(UnknownName, match=f"did you mean '{meant}'"):
            find(what)


def test_a_dropped_file_is_gone_when_it_is_removed() -> None:
    assert "key-list" not in formats() and "dropped_mae" not in metrics() and "dropped" not in benchmarks()


def test_two_files_must_not_share_a_name(dropped: None, tmp_path: Path) -> None:
    (tmp_path / "simgen.metrics" / "second.py").write_text(METRIC)
    try:
        with pytest.raises(ValueError, match=r"second\.py: the name 'dropped_mae' is taken"):
            metrics()
    finally:
        del sys.modules["simgen.metrics.second"]


@pytest.mark.parametrize(
    ("direction", "figures", "held"),
    [
        ("lower", {"truth": 0.0, "violation": 0.5, "copy": 1.0}, True),
        ("higher", {"truth": 1.0, "violation": 0.5, "copy": 0.0}, True),
        ("higher", {"truth": 0.0, "violation": 0.5, "copy": 1.0}, False),
        ("lower", {"truth": 0.0, "violation": 1.0, "copy": 1.0}, False),
        ("lower", {"truth": float("nan"), "violation": 0.5, "copy": 1.0}, False),
    ],
)
def test_the_order_of_a_metric_is_strict_and_follows_its_direction(direction, figures, held) -> None:
    judged = Metric(
        name="x", unit="1", direction=direction, function=lambda *_: np.nan, order=("truth", "violation", "copy")
    )
    assert judged.in_order(figures) is held


def test_every_metric_that_is_there_keeps_its_order(make_sample: Callable[..., Sample]) -> None:
    assert all(keeps_its_order(found, make_sample(0)) for found in metrics().values())


def test_where_simgen_is_installed_a_dropped_file_is_found_too(tmp_path: Path) -> None:
    """A copy of the package alone, as a wheel unpacks it, without the checkout around it."""
    site = tmp_path / "site-packages"
    shutil.copytree(PACKAGE, site / "simgen", ignore=shutil.ignore_patterns("__pycache__", "_bundled"))
    for name, text in FILES.items():
        (site / name.replace(".", "/") / f"{NAME}.py").write_text(text)
    code = (
        "import simgen.export, simgen.metrics, simgen.eval.benchmarks as b\n"
        "print(*simgen.export.formats(), *simgen.metrics.metrics(), *b.benchmarks(), simgen.__file__)\n"
        "from simgen.cli import main; main(['--help'])"
    )
    command, environment = [sys.executable, "-c", code], {"PYTHONPATH": str(site)}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr
    found, _, shown = run.stdout.partition("\n")
    assert set(found.split()) == {"key-list", "dropped_mae", "dropped", str(site / "simgen" / "__init__.py")}
    assert "  count-keys  Count the samples of a data set." in shown
