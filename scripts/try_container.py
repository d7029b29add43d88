#!/usr/bin/env python
"""Tries what the Dockerfile installs, without Docker, in a folder of this machine.

    make container

The commands of its first stage run in a copy of what that stage copies, by a Python of this
machine; its /opt/inktex lies in the folder. What comes out reads an example, has no torch, and is
measured. Only a build with Docker tries the base image, the user and the file system.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dockerfile_parse import DockerfileParser

ROOT: Final = Path(__file__).resolve().parent.parent
INSTALLED: Final = "/opt/inktex"
"""Where the Dockerfile installs."""
BASE: Final = 130
"""Megabytes of python:3.12-slim, rounded up; only a build with Docker measures them."""
LARGEST: Final = 600
"""Megabytes that the image may have."""
EXAMPLE: Final = ROOT / "spaces_app" / "examples" / "circle.png"


class Instruction(NamedTuple):
    """One instruction of a Dockerfile: its name in capitals, and what follows, on one line."""

    name: str
    value: str


def read_stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage of a Dockerfile, FROM first; without what precedes these."""
    stages: list[list[Instruction]] = []
    for one in DockerfileParser(str(path)).structure:
        if one["instruction"] == "FROM":
            stages.append([])
        if stages and one["instruction"] != "COMMENT":
            stages[-1].append(Instruction(one["instruction"], one["value"]))
    return stages


def copied(instruction: Instruction) -> list[str]:
    """The names that an instruction copies out of the checkout; they stay the same in the stage."""
    if instruction.name != "COPY" or instruction.value.startswith("--from"):
        return []
    return shlex.split(instruction.value)[:-1]


def build(stage: list[Instruction], folder: Path, python: Path) -> Path:
    """Do in a folder what a stage does; returns where it has installed.

    Raises:
        subprocess.CalledProcessError: if one of its commands fails.
    """
    sources, installed = folder / "src", folder / INSTALLED.lstrip("/")
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    sources.mkdir(parents=True)
    for instruction in stage:
        if instruction.name == "ENV":
            for setting in shlex.split(instruction.value):
                key, _, value = setting.partition("=")
                environment[key] = value
        elif instruction.name == "RUN":
            command = instruction.value.replace(INSTALLED, str(installed))
            subprocess.run(["sh", "-xc", command], cwd=sources, env=environment, check=True)
        for name in _files(copied(instruction)):
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, sources / name)
    return installed


def _files(names: list[str]) -> Iterator[str]:
    """The files of the checkout under some names, without what git (and Docker) ignores."""
    if names:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
        found = subprocess.run([*listing, *names], cwd=ROOT, capture_output=True, check=True).stdout
        yield from filter(None, os.fsdecode(found).split("\0"))


def megabytes(folder: Path) -> float:
    """What a folder takes on the disk, as du counts."""
    files = (os.lstat(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names)
    return sum(file.st_blocks for file in files) * 512 / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Install, read, measure; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build" / "container",
        help="where to install; what lies there is removed (default: %(default)s)",
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="Python, with pip, to run it by (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    shutil.rmtree(options.folder, ignore_errors=True)
    stages = read_stages(ROOT / "Dockerfile")
    installed = build(stages[0], options.folder.resolve(), options.python)
    # Away from the checkout, which would be found before what was installed.
    environment = {"PATH": str(installed / "bin"), "HOME": "/nonexistent"}
    for command in (
        ["inktex", "recognize", str(EXAMPLE)],
        ["python", "-c", "from importlib.util import find_spec as f; assert not f('torch')"],
    ):
        subprocess.run(command, cwd=installed, env=environment, check=True)
    size = megabytes(installed)
    print(
        f"{size:.0f} MB are installed; with {BASE} MB of the base the image has "
        f"{size + BASE:.0f} MB of {LARGEST} MB."
    )
    return 1 if size + BASE > LARGEST else 0


if __name__ == "__main__":
    sys.exit(main())
