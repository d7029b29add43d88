r"""One spelling for expressions that are to be compared, with their structure untouched.

Applied to prediction and caption alike.  It changes what LaTeX lets one write in two ways
(`\to` or `\rightarrow`, `x^2` or `x^{2}`, `x^a_b` or `x_b^a`, `{x}` or `x`), and nothing
that a reader of the expression could see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    EXPANSIONS,
    OPTIONAL_ARGUMENT_TOKENS,
    RENAMED,
)

_SCRIPTS = ("_", "^")  # in canonical order
_TEXT = r"\text"


def normalize_spelling(tokens: Sequence[str]) -> list[str]:
    r"""Give the tokens their one canonical spelling.

    1. Other names and printed variants of a symbol become its canonical token (`\leqslant` is
       `\leq`, `\varphi` is `\phi`), and `\text` goes with its braces: nobody can tell from ink
       whether `if` is a word or two letters.
    2. An argument of one token takes braces (`x ^ 2` is `x ^ { 2 }`), other braces round
       one token go (`{ x } + 1` is `x + 1`).
    3. The subscript comes before the superscript.

    Where braces do not match, only rule 1 applies: there is no telling what they mean.
    The function is idempotent.

    Example:
        >>> " ".join(normalize_spelling(r"x ^ 2 _ { i } \to { y }".split()))
        'x _ { i } ^ { 2 } \\rightarrow y'
    """
    renamed = [name for token in tokens for name in _rename(token)]
    if not _has_matching_braces(renamed):
        return [token for token in renamed if token != _TEXT]
    groups = [_Group()]
    is_text = False
    for token in renamed:
        if token == "{":
            groups.append(_Group(is_bare=is_text and not groups[-1].needs_braces))
        elif token == "}":
            inner = groups.pop()
            if inner.is_bare:
                groups[-1].items += inner.items
            else:
                groups[-1].add_group(inner.flatten())
        elif token != _TEXT:
            groups[-1].add_token(token)
        is_text = token == _TEXT
    return groups[0].flatten()


@dataclass
class _Group:
    """The items of one `{ }`: each a symbol or a command or script with its arguments."""

    items: list[list[str]] = field(default_factory=list)
    arguments_owed: int = 0
    is_in_optional_argument: bool = False
    is_bare: bool = False

    @property
    def needs_braces(self) -> bool:
        """Whether a group that comes next is more than its symbols."""
        return self.arguments_owed > 0 or self.is_in_optional_argument

    def add_group(self, body: list[str]) -> None:
        # `{ ^ } x` must not turn into `^ x`, nor `[ { ] } ]` end at the first bracket.
        is_one_symbol = len(body) == 1 and body[0] not in {*ARGUMENT_COUNTS, r"\limits", "[", "]"}
        if self.is_in_optional_argument:
            self.items[-1] += body if is_one_symbol else ["{", *body, "}"]
        elif self.arguments_owed:
            self.items[-1] += ["{", *body, "}"]
            self.arguments_owed -= 1
        else:
            self.items.append(body if is_one_symbol else ["{", *body, "}"])

    def add_token(self, token: str) -> None:
        if self.is_in_optional_argument:
            self.items[-1].append(token)
            self.is_in_optional_argument = token != "]"
        elif token == "[" and self.items and self.items[-1][-1] in OPTIONAL_ARGUMENT_TOKENS:
            self.items[-1].append(token)
            self.is_in_optional_argument = True
        elif self.arguments_owed and token not in ARGUMENT_COUNTS:
            self.items[-1] += ["{", token, "}"]
            self.arguments_owed -= 1
        else:
            self.items.append([token])
            self.arguments_owed = ARGUMENT_COUNTS.get(token, 0)

    def flatten(self) -> list[str]:
        """Join the items, with each pair of scripts in canonical order."""
        items = self.items
        for index in range(len(items) - 1):
            neighbours = (*items[index - 1 : index], *items[index + 2 : index + 3])
            # A third script, or one without its argument, has no legal place: left as it is.
            if (
                [item[0] for item in items[index : index + 2]] == ["^", "_"]
                and min(len(item) for item in items[index : index + 2]) > 1
                and not any(item[0] in _SCRIPTS for item in neighbours)
            ):
                items[index], items[index + 1] = items[index + 1], items[index]
        return [token for item in items for token in item]


def _rename(token: str) -> Iterable[str]:
    return EXPANSIONS.get(token) or (RENAMED.get(token, token),)


def _has_matching_braces(tokens: Sequence[str]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth < 0:
            return False
    return depth == 0
