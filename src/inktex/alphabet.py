"""Alphabets: the tokens that a model was trained on, and those that a caller allows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .hub_connection import hub_address, hub_answers
from .modeling.alphabets_inktex import ALPHABETS
from .tokenizer.latex_inktex import LatexError, normalize
from .tokenizer.latex_lexer_inktex import ALIASES, LINES, MATRICES, NEGATED
from .tokenizer.vocabulary_inktex import EXPANSIONS, FOLDED, IDS, RENAMED, VOCABULARY

__all__ = [
    "ALPHABET",
    "ALPHABETS",
    "Alphabet",
    "alphabet_of",
    "find_alphabet",
    "folded_spellings",
    "read_alphabet",
    "spellings",
]

ALPHABET: Final = "alphabet.json"
"""File beside weights: tokens, and how many training examples had them."""
Alphabet = str | Path | Iterable[str]
"""A name of `ALPHABETS`, `all`, a text file of tokens, or tokens."""

_ONE_LINE: Final = frozenset({"equation", "math", "displaymath"})
_ENVIRONMENTS: Final = (
    *(name for name in MATRICES if name != "matrix"),
    *sorted(LINES - _ONE_LINE),
)


def read_alphabet(folder: Path | str) -> dict[str, int]:
    """Tokens that weights were trained on, and the number of examples of each; empty if unknown.

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
    """The alphabet of a model, see `read_alphabet`.

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
        for spelling, token in {**RENAMED, **ALIASES}.items()
        if token in known and spelling not in known
    }
    found |= {rf"\not{other}": token for other, token in NEGATED.items() if token in known}
    for spelling, parts in EXPANSIONS.items():
        if known.issuperset(parts):
            found[spelling] = " ".join(parts)
    for kind in ("begin", "end"):
        if rf"\{kind}{{matrix}}" in known:
            found |= {rf"\{kind}{{{name}}}": rf"\{kind}{{matrix}}" for name in _ENVIRONMENTS}
    return found


def folded_spellings() -> dict[str, list[str]]:
    r"""All other spellings of the vocabulary's tokens, whatever a model was trained on.

    Returns:
        Tokens in the order of the vocabulary, then several tokens that one spelling stands for
        (`| |` for `\parallel`), each with its other spellings.
    """
    tokens = [token for token in VOCABULARY if token not in FOLDED]
    found: dict[str, list[str]] = {token: [] for token in tokens}
    for spelling, token in spellings(tokens).items():
        found.setdefault(token, []).append(spelling)
    return {token: others for token, others in found.items() if others}


def find_alphabet(alphabet: Alphabet | None) -> frozenset[str] | None:
    """The canonical tokens that an alphabet allows; None for all.

    Args:
        alphabet: `all` or None for all of them; a name of `ALPHABETS`; a text file with tokens
            between white space; or tokens. Other spellings are taken for the token that they are
            read as.

    Raises:
        ValueError: if a token or a name is not known, or there is no token.
        OSError: if the file cannot be read.
    """
    if alphabet is None or alphabet == "all":
        return None
    if isinstance(alphabet, str) and alphabet in ALPHABETS:
        return ALPHABETS[alphabet]
    if isinstance(alphabet, str | Path):
        if not Path(alphabet).is_file():
            raise ValueError(
                f"There is no alphabet {str(alphabet)!r}: give all, {', '.join(ALPHABETS)}, a text "
                "file of tokens, or a list of them."
            )
        given = Path(alphabet).read_text(encoding="utf-8").split()
    else:
        given = [*alphabet]
    meanings = [(str(token), _canonical(token)) for token in given]
    unknown = sorted(token for token, found in meanings if not found <= IDS.keys())
    if unknown:
        raise ValueError(
            f"The alphabet has what the vocabulary lacks: {' '.join(unknown[:10])}. "
            "`inktex alphabet` lists what a model knows."
        )
    if not any(found for _, found in meanings):
        raise ValueError("The alphabet is empty: name the tokens that may be written.")
    return frozenset().union(*(found for _, found in meanings))


def _canonical(token: object) -> set[str]:
    """The tokens that a spelling stands for; of commands with arguments the command alone."""
    if not isinstance(token, str):
        return {str(token)}
    name = RENAMED.get(token, token)
    if name in EXPANSIONS:
        return {*EXPANSIONS[name]}
    if name in IDS or (len(name) > 1 and not name.startswith("\\")):
        return {name}  # not its letters: who names `foo` means none of them
    try:
        return {*normalize(name)}
    except LatexError:
        return {name}
