"""Worker processes end with their parent; importing inktex sends and writes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

import inktex

PARENT = """
import time, torch
from torch.utils.data import DataLoader, IterableDataset
from inktex.processes import end_with_parent

class Endless(IterableDataset):
    def __iter__(self):
        while True:
            time.sleep(0.01)  # never looks whether anybody waits for it
        yield 0

def begin(_):
    end_with_parent()

loader = iter(DataLoader(Endless(), batch_size=None, num_workers=2, worker_init_fn=begin))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(kind: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        workers = psutil.Process(parent.pid).children(recursive=True)
        assert len(workers) >= 2
        time.sleep(1)  # until they have begun
        parent.send_signal(kind)
    gone, alive = psutil.wait_procs(workers, timeout=60)
    for process in alive:
        process.kill()
    assert not alive
    assert len(gone) == len(workers)


def test_tab_completes_the_public_names() -> None:
    names = ["Reading", "Recognizer", "__version__", "load", "pretrained_path", "register"]
    assert dir(inktex) == names


def test_reading_writes_nothing_elsewhere(tmp_path: Path, repository: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    picture = Image.open(repository / "spaces_app/examples/power.png")
    picture.save(work / "power.png")
    names = ("HF_HOME", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for extra in ([], ["--preset", "accurate"]):
        subprocess.run(
            [sys.executable, "-m", "inktex", "recognize", "power.png", *extra],
            cwd=work, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    assert [path.name for path in work.iterdir()] == ["power.png"]
    assert list(home.rglob("*")) == []
