r"""Writes canonical tokens as compact LaTeX that compiles.

A model may stop early or forget a brace.  What it wrote is still shown, so the writer
closes what is open, gives missing arguments as `{}`, and leaves out what TeX would refuse.
Well-formed tokens lose their spaces; matrices get the environment that their brackets and lines
ask for (`pmatrix`, `cases`, `aligned`), and all of it is normalised to the same tokens again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .structure_inktex import matrix_cells
from .vocabulary_inktex import (
    ARGUMENT_COUNTS,
    CELL_END,
    LIMITS_OPERATORS,
    LINE_END,
    MATRIX_BEGIN,
    MATRIX_END,
    OPTIONAL_ARGUMENT_TOKENS,
    UNKNOWN_MARK,
    UNWRITTEN,
    WORDS,
)

__all__ = ["compact"]

_SCRIPTS = frozenset({"^", "_"})
_ENVIRONMENTS = {
    ("(", ")"): "pmatrix",
    ("[", "]"): "bmatrix",
    (r"\{", r"\}"): "Bmatrix",
    ("|", "|"): "vmatrix",
}
"""Brackets that stand directly round a matrix, and the environment that draws them."""
_LINE_STARTS = (LINE_END, r"\begin{")
_WRITTEN = {UNKNOWN_MARK: r"\boxtimes"}
"""How tokens are written that are no LaTeX."""


def compact(tokens: Sequence[str]) -> str:
    r"""Write tokens as LaTeX without the spaces that LaTeX does not need.

    Special tokens are left out.  Tokens outside the vocabulary are written as they are, so
    only for tokens of the vocabulary does the result compile for certain (in mathematics
    mode, with amsmath and amssymb for `\binom`, `\mathbb` and the like).

    Args:
        tokens: canonical tokens, as the normaliser and the tokenizer give them.

    Returns:
        Compact LaTeX, `""` for no tokens.

    Example:
        >>> compact(r"\frac { \alpha x } { 2 }".split())
        '\\frac{\\alpha x}{2}'
        >>> compact(r"x \limits ^ { 2".split())
        'x^{2}'
    """
    kept = [token for token in tokens if token not in UNWRITTEN]
    return _Writer(_with_environments(kept)).write()


def _with_environments(tokens: list[str]) -> list[str]:
    """The tokens with each matrix in its environment, the brackets that this draws left out.

    Words are put together and get the spaces round them that handwriting has.
    """
    found = [*tokens]
    begun: list[int] = []
    for start, token in enumerate(tokens):
        if token == r"\text":
            stop = tokens.index("}", start) if "}" in tokens[start:] else start
            word = WORDS.get("".join(tokens[start + 2 : stop]))
            found[start] = ""  # TeX takes no mathematics in there
            if word is not None and tokens[start + 1] == "{":
                found[start : stop + 1] = [rf"\text{{ {word} }}", *[""] * (stop - start)]
    for end, token in enumerate(tokens):
        if token == MATRIX_BEGIN:
            begun.append(end)
        elif token == MATRIX_END and begun:
            begin = begun.pop()
            before = tokens[begin - 1] if begin else ""
            after = tokens[end + 1] if end + 1 < len(tokens) else ""
            name = _ENVIRONMENTS.get((before, after))
            is_degree = tokens[max(begin - 2, 0)] in OPTIONAL_ARGUMENT_TOKENS
            if name is not None and not is_degree:
                found[begin - 1] = found[end + 1] = ""
            elif before == r"\{" and not is_degree:
                name = "cases"
                found[begin - 1] = ""
            elif _has_cells(tokens, begin):
                continue
            else:
                name = "aligned"
            found[begin], found[end] = rf"\begin{{{name}}}", rf"\end{{{name}}}"
    return [token for token in found if token]


def _has_cells(tokens: Sequence[str], begin: int) -> bool:
    """Whether a line of the matrix at `begin` has several cells, or its braces do not balance."""
    try:
        lines, _ = matrix_cells(tokens, begin)
    except ValueError:
        return True
    return any(len(line) > 1 for line in lines)


@dataclass
class _Group:
    """An open group: the whole, a `{ }`, a `[ ]`, a matrix, or an argument without braces."""

    closing: str = ""
    is_implicit: bool = False
    """Opened by the writer round an argument without braces: ends after one item."""
    arguments_owed: int = 0
    """How many arguments the last command still waits for."""
    scripts: set[str] = field(default_factory=set)
    """Scripts that the present base has; TeX refuses a second one of a kind."""


class _Writer:
    """Walks the tokens once; a stack instead of recursion, so that no depth is too deep."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.pieces: list[str] = []
        self.groups = [_Group()]

    def write(self) -> str:
        for index, token in enumerate(self.tokens):
            if token == "}":
                self._close_brace()
            elif token.startswith(r"\end{"):
                self._close_matrix(token)
            elif token in (CELL_END, LINE_END):
                self._end_cell(token)
            elif self.groups[-1].arguments_owed:
                self._write_argument(index, token)
            else:
                self._write_item(index, token)
            self._close_implicit_groups()
        while len(self.groups) > 1:
            self._pop()
        self._give_missing_arguments()
        return "".join(self.pieces)

    def _write_argument(self, index: int, token: str) -> None:
        group = self.groups[-1]
        if token == "{":
            group.arguments_owed -= 1
            self._push("{", "}")
        elif self._opens_optional_argument(index):
            self._push("[", "]")
        elif token in _SCRIPTS or token == r"\limits":
            # Ending one command may leave the one round it without its second argument.
            while self.groups[-1].arguments_owed:
                self._give_missing_arguments()
                self._close_implicit_groups()
            self._write_item(index, token)
        else:
            group.arguments_owed -= 1
            self._push("{", "}", is_implicit=True)
            self._write_item(index, token)

    def _write_item(self, index: int, token: str) -> None:
        group = self.groups[-1]
        if token == r"\limits":
            if self.pieces and self.pieces[-1] in LIMITS_OPERATORS:
                self._emit(token)
            return
        if token == "]" and group.closing == "]":
            self._pop()
            return
        if token in _SCRIPTS:
            if token in group.scripts:
                self._emit("{}")  # an empty base for a second script of the same kind
                group.scripts.clear()
            group.scripts.add(token)
        else:
            group.scripts.clear()
        if token == "{":
            self._push("{", "}")
            return
        if token.startswith(r"\begin{"):
            self._push(token, token.replace("begin", "end", 1))
            return
        self._emit(_WRITTEN.get(token, token))
        group.arguments_owed = ARGUMENT_COUNTS.get(token, 0)

    def _opens_optional_argument(self, index: int) -> bool:
        """Tell whether the `[` at `index` belongs to the command before it and is closed."""
        if self.tokens[index] != "[" or not index:
            return False
        if self.tokens[index - 1] not in OPTIONAL_ARGUMENT_TOKENS:
            return False
        if any(group.closing == "]" for group in self.groups):
            return False  # TeX ends the outer bracket at the inner `]`
        depth = 0
        for token in self.tokens[index + 1 :]:
            depth += (token == "{") - (token == "}")
            if depth < 0:
                return False
            if token == "]" and depth == 0:
                return True
        return False

    def _close_brace(self) -> None:
        while self.groups[-1].is_implicit:
            self._pop()
        if self.groups[-1].closing == "}":
            self._pop()
        else:
            # A `}` that closes nothing is left out, but ends what waits for an argument.
            self._give_missing_arguments()

    def _close_matrix(self, token: str) -> None:
        """End the innermost matrix and what is open in it; nothing where none is open."""
        if not any(group.closing == token for group in self.groups):
            return
        while self.groups[-1].closing != token:
            self._pop()
        self._pop()

    def _end_cell(self, token: str) -> None:
        """A cell's or a line's end, where a matrix is the innermost open group."""
        while self.groups[-1].is_implicit:
            self._pop()
        self._give_missing_arguments()
        if self.groups[-1].closing.startswith(r"\end{"):
            self._emit(token)
            self.groups[-1].scripts.clear()

    def _close_implicit_groups(self) -> None:
        while self.groups[-1].is_implicit and not self.groups[-1].arguments_owed:
            self._pop()

    def _push(self, opening: str, closing: str, is_implicit: bool = False) -> None:
        self._emit(opening)
        self.groups.append(_Group(closing, is_implicit))

    def _pop(self) -> None:
        self._give_missing_arguments()
        self._emit(self.groups.pop().closing)

    def _give_missing_arguments(self) -> None:
        group = self.groups[-1]
        for _ in range(group.arguments_owed):
            self._emit("{}")
        group.arguments_owed = 0

    def _emit(self, piece: str) -> None:
        # `\alphax` would be another command: a letter needs its space after a command name.
        if self.pieces and piece[:1].isalpha() and self._ends_with_command_name():
            self.pieces.append(" ")
        # Behind a line's end these would be a distance and a star.
        if piece in ("[", "*") and self.pieces[-1:] and self.pieces[-1].startswith(_LINE_STARTS):
            self.pieces.append("{}")
        self.pieces.append(piece)

    def _ends_with_command_name(self) -> bool:
        last = self.pieces[-1]
        return last.startswith("\\") and last[-1].isalpha()
