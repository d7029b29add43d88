"""Measuring one system, in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from .systems import SPARSE, SYSTEMS, System

__all__ = [
    "exponent",
    "launcher",
    "measure_growth",
    "measure_start",
    "measure_system",
    "peak_megabytes",
    "run_apart",
]

AREAS: Final = ((64, 128), (96, 192), (128, 256), (128, 512), (192, 640), (256, 1024))
"""Heights and widths of the pictures by which growth with area is measured."""
LENGTHS: Final = (10, 20, 40, 80, 160)
"""Tokens by which growth with length is measured."""
_WARM: Final = 3
"""Pictures that are read first, and not measured."""


def launcher(processes: int) -> list[str]:
    """How to start a script in some processes that work together."""
    if processes == 1:
        return [sys.executable]
    together = ["-m", "torch.distributed.run", "--standalone"]
    return [sys.executable, *together, "--nproc_per_node", str(processes)]


def run_apart(arguments: list[str], script: Path, output: Path, processes: int = 1) -> Any:
    """What a process of its own writes to a JSON file, with one thread for all libraries.

    Args:
        arguments: of the script.
        script: writes to the file that its argument `--inside` names.
        output: this file.
        processes: that work together.

    Raises:
        RuntimeError: if it fails, with the end of what it said.
    """
    result = subprocess.run(
        [*launcher(processes), str(script), *arguments, "--inside", str(output)],
        env=_one_thread(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{result.stderr[-2000:]}")
    return json.loads(output.read_text(encoding="utf-8"))


def _one_thread() -> dict[str, str]:
    """The environment of a process whose libraries have one thread each."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


def measure_system(
    name: str, model: Path | None, pictures: list[Image.Image], tokens: list[int], repeats: int
) -> dict[str, Any]:
    """Read pictures some times, one by one and in batches; of `SPARSE` systems not all.

    Args:
        name: of the system, see `SYSTEMS`.
        model: folder of the inktex model, None for the shipped one.
        pictures: to read.
        tokens: how many to write for each, where random weights would not end.
        repeats: of each picture, of which the median counts.

    Returns:
        `every`, 1 if it read all pictures, 4 for one of four; seconds of each picture, processor
        and wall; tokens of each; processor seconds to load, of a picture in batches and of the
        parts of reading; megabytes.
    """
    every = SPARSE.get(name, 1)
    pictures, tokens = pictures[::every], tokens[::every]
    started = time.process_time()
    system = SYSTEMS[name](model)
    loading = time.process_time() - started
    for picture, count in zip(pictures[: _WARM if every == 1 else 1], tokens, strict=False):
        system.read(picture, count)
    cpu, wall, written = [], [], []
    for picture, count in zip(pictures, tokens, strict=True):
        timed = _time(repeats, system.read, picture, count)
        cpu.append(timed.cpu)
        wall.append(timed.wall)
        written.append(timed.value)
    return {
        "every": every,
        "cpu": cpu,
        "wall": wall,
        "tokens": written,
        "loading": loading,
        "batched_cpu": _batched(system, pictures) if system.batches > 1 else None,
        "stages": _stages(system, pictures, repeats),
        "megabytes": peak_megabytes(),
    }


@dataclass(frozen=True)
class _Timed:
    """Medians of processor and wall time, in seconds, and what came out last."""

    cpu: float
    wall: float
    value: Any


def _time(repeats: int, action: Callable[..., Any], *arguments: Any) -> _Timed:
    """Do something some times."""
    cpu, wall, value = [], [], None
    for _ in range(repeats):
        begun = time.process_time(), time.perf_counter()
        value = action(*arguments)
        cpu.append(time.process_time() - begun[0])
        wall.append(time.perf_counter() - begun[1])
    return _Timed(statistics.median(cpu), statistics.median(wall), value)


def _batched(system: System, pictures: list[Image.Image]) -> float:
    """Processor seconds a picture, in batches of pictures of about one size."""
    ordered = sorted(pictures, key=lambda picture: picture.width * picture.height)
    groups = [ordered[i : i + system.batches] for i in range(0, len(ordered), system.batches)]
    system.read_batch(groups[0])
    return sum(_time(1, system.read_batch, one).cpu for one in groups) / len(pictures)


def _stages(system: System, pictures: list[Image.Image], repeats: int) -> dict[str, float]:
    """Processor seconds of the parts of reading, each the median over the pictures."""
    found: dict[str, list[float]] = {}
    for picture in pictures:
        for name, action in system.stages(picture).items():
            found.setdefault(name, []).append(_time(repeats, action).cpu)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def measure_start(model: Path | None, picture: Image.Image, repeats: int) -> dict[str, list[float]]:
    """How long it takes to begin, each time in a new process.

    Args:
        model: folder of the inktex model, None for the shipped one.
        picture: that the command is to read.
        repeats: of each measurement, of which the median counts.

    Returns:
        Seconds of the processor and of the wall: `import` inktex, `libraries` (torch and
        transformers without any of its models), `answer`, the command's first, and `answer_torch`,
        the same with torch.

    Raises:
        RuntimeError: if one fails, with the end of what it said.
    """
    given = [] if model is None else ["--model", str(model)]
    with tempfile.TemporaryDirectory() as temporary:
        path = str(Path(temporary) / "picture.png")
        picture.save(path)
        commands = {
            "import": ["-c", "import inktex"],
            "libraries": ["-c", "import torch, transformers"],
            "answer": ["-m", "inktex", "recognize", *given, path],
            "answer_torch": ["-m", "inktex", "recognize", "--engine", "torch", *given, path],
        }
        return {
            name: _time_process([sys.executable, *command], repeats)
            for name, command in commands.items()
        }


def _time_process(command: list[str], repeats: int) -> list[float]:
    """Medians of the processor and wall seconds of a process, after a first time."""
    cpu, wall = [], []
    for _ in range(repeats + 1):
        begun, before = time.perf_counter(), _children_seconds()
        result = subprocess.run(
            command, env=_one_thread(), capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
        wall.append(time.perf_counter() - begun)
        cpu.append(_children_seconds() - before)
    return [statistics.median(cpu[1:]), statistics.median(wall[1:])]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_growth(model: Path | None, picture: Image.Image, repeats: int) -> dict[str, Any]:
    """How encoding grows with the area and decoding with the length, and the floor of both.

    Args:
        model: folder of the inktex model, None for the shipped one.
        picture: of usual size.
        repeats: of each measurement, of which the median counts.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from inktex.modeling.generation_inktex import decode
    from inktex.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(model)
    network, generator = recognizer.model, torch.Generator().manual_seed(0)
    areas, lengths = [], []
    with torch.no_grad(), _endless(network):
        for height, width in AREAS:
            pixels = (torch.rand(1, 1, height, width, generator=generator) > 0.8).float()
            mask = torch.ones(1, height, width)
            network.encoder(pixels, mask)
            seconds = _time(repeats, network.encoder, pixels, mask).cpu
            areas.append([height * width, seconds])
        inputs = recognizer.image_processor(picture, return_tensors="pt")
        memory = network.encoder(**inputs)
        for length in LENGTHS:
            seconds = _time(repeats, decode, network, [memory], length + 1).cpu
            lengths.append([length, seconds])
        counts = []
        for action in (
            lambda: network.encoder(**inputs),
            lambda: decode(network, [memory], 3),
            lambda: decode(network, [memory], 2),
        ):
            with FlopCounterMode(display=False) as counter:
                action()
            counts.append(counter.get_total_flops())
    return {
        "areas": areas,
        "lengths": lengths,
        "area_exponent": exponent(areas),
        "length_exponent": exponent(lengths),
        "encoder_flops": counts[0],
        "token_flops": counts[1] - counts[2],
        "peak_flops": _peak_flops(repeats),
        "token_bytes": _token_bytes(network),
        "bandwidth": _bandwidth(repeats),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }


@contextmanager
def _endless(network: Any) -> Iterator[None]:
    """Let a model write on as long as it may: without grammar and without an end."""
    grammar, end = network.grammar, network.config.eos_token_id
    network.grammar, network.config.eos_token_id = None, -1
    try:
        yield
    finally:
        network.grammar, network.config.eos_token_id = grammar, end


def exponent(points: list[list[float]]) -> float:
    """The slope of a line through points whose both coordinates are taken as logarithms."""
    x, y = np.log(np.array(points, dtype=np.float64)).T
    return float(np.polyfit(x, y, 1)[0])


def _peak_flops(repeats: int) -> float:
    """Operations a second in a product of large matrices, the best of some."""
    import torch

    size = 1024
    left, right = torch.rand(size, size), torch.rand(size, size)
    seconds = [_time(1, torch.mm, left, right).cpu for _ in range(repeats + 2)]
    return 2 * size**3 / min(seconds)


def _bandwidth(repeats: int) -> float:
    """Bytes a second that come from memory, the best of some."""
    import torch

    numbers = torch.ones(2**26)
    seconds = [_time(1, torch.sum, numbers).cpu for _ in range(repeats + 2)]
    return numbers.nbytes / min(seconds)


def _token_bytes(network: Any) -> int:
    """Weights that the decoder reads at every token; keys of the memory are computed once."""
    parts = [*network.decoder.layers.named_parameters(), *network.lm_head.named_parameters()]
    once = ("cross_attn.k_proj", "cross_attn.v_proj")
    return sum(part.nbytes for name, part in parts if not any(one in name for one in once))


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
