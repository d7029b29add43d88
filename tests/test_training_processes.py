"""The training script as a user starts it, on its own and with one process for each core."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inktex.modeling.modeling_inktex import InktexForConditionalGeneration
from inktex.training.recipe import load_recipe, recipe_path


def run(
    repository: Path, output: Path, processes: int, *changes: str
) -> subprocess.CompletedProcess[str]:
    """The tiny recipe with a decoder of one layer and some changes."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc_per_node", str(processes)]
    small = ("decoder.num_hidden_layers=1", "decoder.guided_layers=[0]")
    return subprocess.run(
        [*launcher, str(repository / "scripts" / "train.py"), "tiny", "--output", str(output)]
        + [word for change in (*small, *changes) for word in ("--set", change)],
        capture_output=True,
        text=True,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        check=False,
        timeout=280,
    )


def test_processes_end_a_run_of_some_time_together(repository: Path, tmp_path: Path) -> None:
    result = run(
        repository, tmp_path, 2, "steps=null", "minutes=0.1", "validate_every=10000",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    records = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    (last,) = [record for record in records if "exp_rate" in record]
    assert 0.1 <= last["minutes"] < 0.5


@pytest.mark.parametrize("processes", [1, 2])
def test_the_tiny_recipe_runs(processes: int, repository: Path, tmp_path: Path) -> None:
    changes = ("steps=4", "validate_every=4", "save_every=4")
    result = run(repository, tmp_path, processes, *changes)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "Done." in result.stdout
    assert result.stdout.count("Done.") == 1, "every process reports"
    records = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "exp_rate" in record] == [4]
    model = InktexForConditionalGeneration.from_pretrained(tmp_path / "averaged")
    assert model.config.decoder.num_hidden_layers == 1
    states = {path.name for path in (tmp_path / "checkpoint").glob("random_states_*.pkl")}
    assert len(states) == processes


def curve(output: Path, name: str) -> list[float]:
    """The curve of one of a run's losses."""
    records = map(json.loads, (output / "curve.jsonl").read_text().splitlines())
    return [record[name] for record in records if name in record]


@pytest.mark.timeout(600)
def test_two_processes_learn_as_one_with_twice_the_batch(repository: Path, tmp_path: Path) -> None:
    """Steps that accumulate have the same batches, however many processes share them."""
    changes = ["steps=8", "log_every=2", "validate_every=100", "augmentation=null"]
    changes += ["encoder.dropout=0", "decoder.location_feedback=false"]  # no random draws
    for processes in (1, 2):
        own = (f"optimizer.accumulate={4 // processes}",)
        result = run(repository, tmp_path / str(processes), processes, *changes, *own)
        assert result.returncode == 0, result.stderr[-3000:]
    for name in ("loss", "tokens", "symbol_map", "attention_supervision"):
        alone, together = (curve(tmp_path / processes, name) for processes in "12")
        assert len(alone) == 4
        assert alone == pytest.approx(together, rel=1e-4)
    tokens = curve(tmp_path / "1", "tokens")
    assert tokens == sorted(tokens, reverse=True), "nothing was learnt that could differ"


def test_a_step_has_a_batch_at_least() -> None:
    with pytest.raises(ValueError, match="accumulate must be 1 or more, not 0"):
        load_recipe(recipe_path("tiny"), ["optimizer.accumulate=0"])


def test_an_epoch_without_a_whole_step_is_refused(repository: Path, tmp_path: Path) -> None:
    result = run(repository, tmp_path, 1, "optimizer.accumulate=1000000")
    assert result.returncode != 0
    assert "fewer batches than make a step" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tiny", "--set", "stesp=4"], "Unknown field stesp. Did you mean steps?"),
        (["bse"], "Did you mean base?"),
        (["tiny", "--stes=4"], "unrecognized arguments: --stes=4"),
    ],
)
def test_a_mistake_is_reported_before_heavy_imports(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    program = (
        "import sys; from inktex.cli import main\n"
        "try: status = main(sys.argv[1:])\n"
        "except SystemExit as end: status = end.code\n"
        "assert not {'torch', 'transformers'} & {*sys.modules}\n"
        "sys.exit(status)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "train", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert not (tmp_path / "runs").exists()
