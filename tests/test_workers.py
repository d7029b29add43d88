"""Processes that work ahead: in order, one ahead, and never waited for when they are gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from inktex.transcription.workers import WorkerEndedError, work_ahead

LARGE = 2**20
"""Bytes that no pipe holds."""


def count(worker: int, workers: int) -> Iterator[tuple[int, bytes]]:
    for number in range(worker, 10, workers):
        yield number, bytes(LARGE if number % 3 else 1)


def fail(worker: int, workers: int) -> Iterator[int]:
    yield worker
    if worker == 1:
        raise KeyError("the second")
    yield worker + workers


def fill_memory(worker: int, workers: int) -> Iterator[int]:
    yield worker
    raise MemoryError("no more")


class OddError(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def fail_oddly(worker: int, workers: int) -> Iterator[int]:
    yield worker
    raise OddError(1, 2)


def be_killed(worker: int, workers: int) -> Iterator[int]:
    yield worker
    if worker == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield worker + workers


class Leave:
    """Leaves a file for each number that it has begun."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, worker: int, workers: int) -> Iterator[int]:
        for number in range(worker, 100, workers):
            (self.folder / str(number)).touch()
            yield number


@pytest.mark.parametrize("workers", [0, 1, 2, 3, 12])
def test_what_workers_make_comes_in_order(workers: int) -> None:
    found = [(number, len(content)) for number, content in work_ahead(count, workers)]
    assert found == [(number, LARGE if number % 3 else 1) for number in range(10)]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("kind", ["spawn", "forkserver"])
def test_processes_need_not_be_forked(kind: str, tmp_path: Path) -> None:
    """Elsewhere than on Linux, and there from Python 3.14 on, they are not."""
    for number in range(5):
        Image.new("L", (60, 40), 255 - number).save(tmp_path / f"{number}.png")
    code = (
        "import multiprocessing, sys; from inktex.cli import main\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({kind!r}); sys.exit(main(sys.argv[1:]))\n"
    )
    (tmp_path / "main.py").write_text(code)
    output = tmp_path / "out.tsv"
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py", "transcribe", tmp_path, "--output", output,
         "--window", "1", "--workers", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"{output}: 5 rows, 5 of them with an error; 5 read now.\n", done.stderr


def test_each_worker_is_one_ahead(tmp_path: Path) -> None:
    coming = work_ahead(Leave(tmp_path), 2)
    taken = [next(coming) for _ in range(4)]
    assert taken == [0, 1, 2, 3]
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [0, 1, 2, 3, 4, 5]
    coming.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("work", "kind", "words"),
    [
        (fail, KeyError, "the second"),
        (fill_memory, MemoryError, "no more"),
        (fail_oddly, WorkerEndedError, "ended from outside"),
        (be_killed, WorkerEndedError, "ended from outside"),
    ],
)
@pytest.mark.timeout(60)
def test_what_goes_wrong_in_a_worker_is_raised_here(
    work: Callable[[int, int], Iterator[int]], kind: type[Exception], words: str
) -> None:
    found: list[int] = []
    with pytest.raises(kind, match=words) as raised:
        found.extend(work_ahead(work, 3))
    assert found[:1] == [0]
    assert multiprocessing.active_children() == []
    if kind is KeyError:
        assert "in fail" in str(raised.value.__cause__)


@pytest.mark.timeout(60)
def test_a_worker_that_is_killed_while_it_waits_is_missed(tmp_path: Path) -> None:
    coming = work_ahead(Leave(tmp_path), 2)
    assert next(coming) == 0
    for child in multiprocessing.active_children():
        child.kill()
        child.join()
    with pytest.raises(WorkerEndedError):
        list(coming)


PARENT = """
import time
from inktex.transcription.workers import work_ahead

def work(worker, workers):
    yield worker
    while True:
        time.sleep(0.01)  # never looks whether anybody waits for it

if __name__ == "__main__":
    coming = work_ahead(work, 2)
    next(coming), next(coming)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_their_parent(kind: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) == 2
        parent.send_signal(kind)
    _, alive = psutil.wait_procs(workers, timeout=60)
    for process in alive:
        process.kill()
    assert not alive
