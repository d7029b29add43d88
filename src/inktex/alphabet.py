"""What a model was trained to read: the tokens, and how they may be spelled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .network import hub_address, hub_answers
from .tokenizer.vocabulary_inktex import ALIASES, EXPANSIONS, FOLDED

__all__ = ["ALPHABET", "alphabet_of", "read_alphabet", "spellings"]

ALPHABET: Final = "alphabet.json"
"""Beside weights: tokens, and how many training examples had them."""
_ENVIRONMENTS: Final = ("array", "pmatrix", "bmatrix", "vmatrix", "cases", "aligned")


def read_alphabet(folder: Path | str) -> dict[str, int]:
    """Tokens that weights were trained on, and with how many examples; empty if not known.

    Args:
        folder: of the weights.

    Raises:
        ValueError: if the file is damaged.
    """
    path = Path(folder) / ALPHABET
    if not path.is_file():
        return {}
    try:
        found: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return found


def alphabet_of(model: str) -> dict[str, int]:
    """What `read_alphabet` gives for a model.

    Args:
        model: folder, or repository of the Hub.

    Raises:
        OSError: if there is no such model.
        ImportError: if it is on the Hub and huggingface_hub is missing.
        ValueError: if the file is damaged.
    """
    if Path(model).is_dir():
        return read_alphabet(model)
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError
    except ImportError as error:
        raise ImportError(
            f"There is no folder {model}, and the Hub cannot be asked without huggingface_hub: "
            "pip install inktex."
        ) from error
    try:
        found = hf_hub_download(model, ALPHABET, local_files_only=not hub_answers())
        return read_alphabet(Path(found).parent)
    except EntryNotFoundError as error:
        if isinstance(error, OSError):  # not in the cache, and the Hub does not answer
            raise OSError(
                f"{model} is no folder, is not in the cache, and {hub_address()} does not answer."
            ) from error
        return {}
    except HFValidationError as error:
        raise OSError(f"There is no folder {model}, and it is no name of the Hub.") from error


def spellings(tokens: Iterable[str]) -> Mapping[str, str]:
    r"""Other spellings that can be read with some tokens, and the tokens that they are read as.

    Args:
        tokens: that the model knows.

    Returns:
        For example `\ast` for `*`, `\parallel` for `| |`, `\begin{array}` for `\begin{matrix}`.
    """
    known = set(tokens)
    found = {
        spelling: token
        for table in (ALIASES, FOLDED)
        for spelling, token in table.items()
        if token in known and spelling not in known
    }
    for spelling, parts in EXPANSIONS.items():
        if known.issuperset(parts):
            found[spelling] = " ".join(parts)
    for kind in ("begin", "end"):
        if rf"\{kind}{{matrix}}" in known:
            found |= {rf"\{kind}{{{name}}}": rf"\{kind}{{matrix}}" for name in _ENVIRONMENTS}
    return found
