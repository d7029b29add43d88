"""The last two checkpoints of a run, with checksums, written so that one is always whole."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path

from accelerate import Accelerator

from inktex.files import partial_folder, recover, write_json

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"
BEFORE = "checkpoint.before"
"""The one before the last, which a run goes on from when the last one is damaged."""
MANIFEST = "checksums.json"


def save_checkpoint(accelerator: Accelerator, output: Path) -> None:
    """Write all that a run needs to go on; the two checkpoints before stay until it is done.

    If the process is killed meanwhile, a whole checkpoint is there if there was one before.

    Raises:
        OSError: if it cannot be written, as on a full disk; those before are whole.
    """
    partial = partial_folder(output / CHECKPOINT)
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
    accelerator.wait_for_everyone()
    try:
        accelerator.save_state(str(partial))
    except Exception as error:  # torch, safetensors and the system each have their own
        shutil.rmtree(partial, ignore_errors=True)
        raise OSError(
            f"The checkpoint cannot be written to {output}: {error}. Is the disk full? The one "
            "before is whole: make room and give the same command again."
        ) from error
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_json(partial / MANIFEST, _checksums(partial))
        last, before = output / CHECKPOINT, output / BEFORE
        if last.exists():
            shutil.rmtree(before, ignore_errors=True)
            last.rename(before)
        partial.rename(last)


def load_checkpoint(accelerator: Accelerator, output: Path) -> Path | None:
    """Restore the last whole checkpoint of a run; returns its folder, None if there is none.

    Raises:
        ValueError: if there are checkpoints, but all of them are damaged.
    """
    if accelerator.is_main_process:
        recover(output / CHECKPOINT)
    accelerator.wait_for_everyone()
    there = [folder for folder in (output / CHECKPOINT, output / BEFORE) if folder.is_dir()]
    for folder in there:
        fault = find_damage(folder)
        if fault is None:
            try:
                accelerator.load_state(str(folder))
            except Exception as error:  # of one without checksums, by an older version
                fault = str(error)
            else:
                return folder
        logger.warning("%s is damaged (%s) and is passed over.", folder, fault)
        accelerator.print(f"{folder} is damaged ({fault}): trying the checkpoint before it.")
    if there:
        names = " and ".join(str(folder) for folder in there)
        raise ValueError(
            f"No checkpoint can be read: {names} are damaged. Start the run anew with --fresh."
        )
    return None


def forget_checkpoints(accelerator: Accelerator, output: Path) -> None:
    """Remove the checkpoints of an earlier run, so that no later one resumes from them."""
    if accelerator.is_main_process:
        for folder in (output / CHECKPOINT, output / BEFORE):
            shutil.rmtree(folder, ignore_errors=True)
    accelerator.wait_for_everyone()


def find_damage(folder: Path) -> str | None:
    """The fault of a checkpoint; None if it is as it was written, or has no checksums."""
    try:
        expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        return f"{MANIFEST}: {error}"
    try:
        found = _checksums(folder)
    except OSError as error:
        return str(error)
    wrong = sorted(name for name in expected if found.get(name) != expected[name])
    return f"{', '.join(wrong)} missing or changed" if wrong else None


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = digest
    return found
