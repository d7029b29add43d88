"""Whether a run may go on with what another one has begun, and else why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["differences"]


def differences(known: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What of the settings that rows depend on is not the same, in words of the command line.

    Args:
        known: settings of the run that was begun.
        asked: settings of this one.
    """
    found = [
        _changed(f"--{name}", known.get(name), asked.get(name))
        for name in ("preset", "beams", "window")
        if known.get(name) != asked.get(name)
    ]
    if known.get("weights") != asked.get("weights"):
        # Each engine has weights of its own, in files of their own.
        reasons = [
            _changed(f"--{name}", known[name], asked[name])
            for name in ("engine", "model")
            if known.get(name) and asked.get(name) and known[name] != asked[name]
        ]
        found += reasons or ["the weights of --model have changed"]
    return found + _in_source(known.get("source") or {}, asked.get("source") or {})


def _in_source(known: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    for name in ("kind", "name"):
        if known.get(name) != asked.get(name):
            return [_changed("SOURCE", known.get(name), asked.get(name))]
    found = [
        _changed(f"--{name.replace('_', '-')}", known.get(name), asked.get(name))
        for name in ("config", "split", "revision", "image_column", "id_column")
        if known.get(name) != asked.get(name)
    ]
    before, now = set(known.get("allowed", ())), set(asked.get("allowed", ()))
    for name in sorted(before ^ now):
        words = ("given", "not given") if name in before else ("not given", "given")
        found.append(f"--allow-{name} was {words[0]} and is {words[1]}")
    files = known.get("files"), asked.get("files")
    if files[0] != files[1] and all(isinstance(one, int) for one in files):
        found.append(f"SOURCE had {files[0]} pictures and has {files[1]}")
    elif any(known.get(name) != asked.get(name) for name in ("files", "sha256")):
        found.append("files in SOURCE have been renamed or changed")
    elif any(known.get(name) != asked.get(name) for name in ("fingerprint", "rows")):
        found.append("the rows of SOURCE have changed")
    if not found and known != asked:
        found.append("SOURCE has changed")
    return found


def _changed(what: str, before: Any, now: Any) -> str:
    words = ["not given" if one is None else str(one) for one in (before, now)]
    return f"{what} was {words[0]} and is {words[1]}"
