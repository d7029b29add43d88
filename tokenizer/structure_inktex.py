r"""Where the braces and the matrices of canonical tokens end.

This file travels to the Hub beside the writer, and imports the vocabulary alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from .vocabulary_inktex import CELL_END, LINE_END, MATRIX_BEGIN, MATRIX_END

__all__ = ["closing_brace", "matrix_cells"]


def closing_brace(tokens: Sequence[str], start: int, stop: int | None = None) -> int:
    """The index of the brace that closes the one at `start`.

    Args:
        tokens: canonical tokens.
        start: index of the opening brace.
        stop: index behind the last token that may close it; None for all tokens.

    Raises:
        ValueError: if there is no opening brace at `start`, or none closes it.
    """
    stop = len(tokens) if stop is None else stop
    if start >= stop or tokens[start] != "{":
        raise ValueError(f"Token {start} should be an opening brace.")
    depth = 0
    for index in range(start, stop):
        depth += (tokens[index] == "{") - (tokens[index] == "}")
        if not depth:
            return index
    raise ValueError(f"The brace at token {start} is never closed.")


def matrix_cells(
    tokens: Sequence[str], start: int, stop: int | None = None
) -> tuple[list[list[tuple[int, int]]], int]:
    r"""The cells of a matrix; those of matrices and braces inside it are not split.

    Args:
        tokens: canonical tokens.
        start: index of the `\begin{matrix}`.
        stop: index behind the last token that may end it; None for all tokens.

    Returns:
        For each line the start and the stop of each of its cells, which may be empty; and the index
        of the `\end{matrix}`.

    Raises:
        ValueError: if the matrix is never ended.

    Example:
        >>> matrix_cells(r"\begin{matrix} a & b \\ c \end{matrix}".split(), 0)
        ([[(1, 2), (3, 4)], [(5, 6)]], 6)
    """
    lines: list[list[tuple[int, int]]] = [[]]
    depth, first = 0, start + 1
    for index in range(start + 1, len(tokens) if stop is None else stop):
        token = tokens[index]
        if not depth and token in (CELL_END, LINE_END, MATRIX_END):
            lines[-1].append((first, index))
            first = index + 1
            if token == MATRIX_END:
                return lines, index
            if token == LINE_END:
                lines.append([])
        else:
            depth += (token in ("{", MATRIX_BEGIN)) - (token in ("}", MATRIX_END))
    raise ValueError(f"The matrix at token {start} is never ended.")
