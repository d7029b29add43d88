"""The `inktex` command: its subcommands, what they import, and the scripts that are doors to it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from inktex.cli import COMMANDS, main

DOORS = {"transcribe.py": "transcribe"}
"""Scripts, and the subcommands that they are."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_describes_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(COMMANDS[name][0])
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert module.DESCRIPTION.splitlines()[0][:60] in printed
    with pytest.raises(SystemExit) as ended:
        main([name, "--no-such-option"])
    assert ended.value.code == 2


def test_help_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys; from inktex.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'PIL', 'torch', 'tqdm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for name, (_, words) in COMMANDS.items():
        assert name in done.stdout
        assert words in done.stdout


@pytest.mark.parametrize(("script", "command"), DOORS.items())
def test_scripts_are_doors_to_the_command(script: str, command: str, repository: Path) -> None:
    text = (repository / "scripts" / script).read_text(encoding="utf-8")
    assert f'sys.exit(main(["{command}", *sys.argv[1:]]))' in text


def test_the_command_of_before_names_the_new_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inktex.onnx.export"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "`python -m inktex.onnx.export` is now `inktex export`."


def test_an_export_without_a_model_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--model", "no/folder/at-all"]) == 2
    assert capsys.readouterr().err.startswith("inktex: ")
