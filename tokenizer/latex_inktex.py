r"""LaTeX of one mathematical expression: a parser to a small tree and a re-emitter.

`normalize` gives the canonical tokens that published work on CROHME trains on and scores against::

    >>> normalize(r"$\sum^n_{i=1}\left(\frac 1 i\right)^2$")
    ['\\sum', '\\limits', '_', '{', 'i', '=', '1', '}', '^', '{', 'n', '}',
     '(', '\\frac', '{', '1', '}', '{', 'i', '}', ')', '^', '{', '2', '}']

The canonical form describes what is *written*: one token for each sign, every argument in braces,
no other grouping, the subscript before the superscript, `\limits` exactly where `\sum`, `\int`
or `\lim` has a subscript, no spacing and no sizes. It is a fixed point: normalising the tokens
again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .latex_lexer_inktex import (
    ALIASES,
    ARITIES,
    DROPPED,
    DROPPED_WITH_ARGUMENT,
    FUNCTIONS,
    LINES,
    MATRICES,
    NAMING,
    NEGATED,
    SIGNS,
    UNWRAPPED,
    WITH_COLUMNS,
    LatexError,
    lex,
)
from .latex_tree_inktex import (
    Atom,
    Command,
    Group,
    Matrix,
    Node,
    Row,
    Script,
    attach,
    emit,
    make_row,
)
from .vocabulary_inktex import CELL_END, EXPANSIONS, LINE_END, WORDS

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "LatexError", "normalize", "parse"]

MAX_DEPTH = 100
MAX_LENGTH = 20_000
_LONGEST_SETTING = 16
"""Words of an environment's setting in brackets."""


class _Parser:
    def __init__(self, text: str, lenient: bool) -> None:
        self.words = list(lex(text))
        self.end = len(text)
        self.at = 0
        self.lenient = lenient
        self.depth = 0

    def peek(self) -> str | None:
        return self.words[self.at][0] if self.at < len(self.words) else None

    def position(self) -> int:
        return self.words[self.at][1] if self.at < len(self.words) else self.end

    def fail(self, message: str, expected: str = "") -> LatexError:
        return LatexError(message, self.position(), expected)

    def row(self, stop: str | None, in_script: bool, in_cell: bool = False) -> Row:
        """Parse up to the word `stop`, exclusive, or to the end of the text for None.

        A cell of a matrix ends at the next cell as well. Elsewhere line ends make a matrix.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH} levels")
        items: list[Node] = []
        numerator: Row | None = None
        grouped = False  # whether the last item stood in braces
        while (word := self.peek()) is not None and word != stop:
            if in_cell and word in (CELL_END, LINE_END):
                break
            if word == "}":
                if not self.lenient:
                    raise self.fail("a closing brace that nothing opens", stop or "no }")
                if stop == "]":  # the enclosing group's brace: the bracket was never closed
                    break
                self.at += 1
            elif word in ("^", "_"):
                base = [items.pop()] if _can_be_base(items) else []
                items += self.scripts(base, grouped)
                grouped = False
            elif word == "'" and _can_be_base(items):
                items[-1] = self.primed(items[-1])
                grouped = False
            elif word == "\\degree":
                self.at += 1
                if not _can_be_base(items):
                    items.append(Group(Row()))
                attach(items, "^", Row((Atom("\\circ"),)), grouped=True)
            elif word == "\\over":
                if numerator is not None and not self.lenient:
                    raise self.fail("a second \\over in the same group", "braces around one")
                self.at += 1
                if numerator is None:
                    numerator, items = _in_lines(items, in_script), []
            elif word in DROPPED:
                self.at += 1
            else:
                item = self.item(in_script)
                grouped = isinstance(item, Row)
                if isinstance(item, Row) and not item.children:
                    # After `{}` a script has an empty base, whatever stands before.
                    while self.peek() in DROPPED:
                        self.at += 1
                    if word == "{" and self.peek() in ("^", "_"):
                        items += self.scripts([], False)
                elif isinstance(item, Row):
                    items += item.children
                else:
                    items.append(item)
        self.depth -= 1
        row = _in_lines(items, in_script)
        return row if numerator is None else Row((Command("\\frac", (numerator, row)),))

    def scripts(self, base: list[Node], grouped: bool) -> list[Node]:
        """Attach all scripts that follow to `base`, which is one node or none."""
        found: list[tuple[str, Row, int]] = []
        while (word := self.peek()) in ("^", "_") or word in DROPPED:
            position = self.position()
            self.at += 1
            if word in ("^", "_"):
                what = f"what stands {'above' if word == '^' else 'below'} after {word}"
                found.append((word, self.argument(what, True), position))
        if grouped and base and isinstance(last := base[0], Script):
            taken = {"_": last.sub is not None, "^": last.sup is not None}
            if any(taken[mark] and argument.children for mark, argument, _ in found):
                base = [Group(Row((last,)))]
        for mark, argument, position in found:
            if not attach(base, mark, argument, grouped=self.lenient):
                raise LatexError(
                    f"a second {mark} on the same base", position, "braces around the first"
                )
        return base

    def primed(self, base: Node) -> Node:
        r"""`f'` is `f^{\prime}`; several primes and a superscript share one script."""
        script = base if isinstance(base, Script) else Script(base)
        written = list(script.sup.children) if script.sup is not None else []
        while self.peek() == "'":
            self.at += 1
            written.append(Atom("\\prime"))
        if self.peek() == "^":
            self.at += 1
            written += self.argument("what stands above after ^", True).children
        return replace(script, sup=make_row(written, in_script=True))

    def item(self, in_script: bool) -> Node:
        """One sign or command with its arguments; a `Row` is a group whose braces are dropped."""
        word = self.peek()
        assert word is not None
        if word == "{":
            return self.group(in_script)
        self.at += 1
        if word == "'":
            return Atom("\\prime")
        if word in ("\\left", "\\right"):
            return self.delimiter(word)
        word = ALIASES.get(word, word)
        if word in EXPANSIONS:
            return Row(tuple(Atom(sign) for sign in EXPANSIONS[word]))
        if word in DROPPED_WITH_ARGUMENT:
            self.skip_star()
            self.argument(f"the argument of {word}", in_script)
            return Row()
        if word in UNWRAPPED:
            self.skip_star()
            body = self.argument(f"the argument of {word}", in_script)
            return _named(body) if word in NAMING else body
        if word.startswith("\\begin{"):
            return self.environment(word, in_script)
        if word == "\\hline":
            return Row()
        if word == "\\degree":
            return Script(Group(Row()), sup=Row((Atom("\\circ"),)))
        if word == "\\pmod":
            body = self.argument("the argument of \\pmod", in_script)
            return Row((Atom("("), Atom("\\bmod"), *body.children, Atom(")")))
        if word == "\\not" and (negated := NEGATED.get(self.peek() or "")):
            self.at += 1
            return Atom(negated)
        if word in ARITIES:
            return self.command(word, in_script)
        if not word.startswith("\\") or len(word) == 2 or word[1:] in SIGNS | FUNCTIONS:
            return Atom(word)
        return self.unknown(word, in_script)

    def group(self, in_script: bool) -> Row:
        opened = self.position()
        self.at += 1
        row = self.row("}", in_script)
        if self.peek() == "}":
            self.at += 1
        elif not self.lenient:
            raise LatexError("a brace that is never closed", opened, "} before the end")
        return row

    def delimiter(self, word: str) -> Node:
        r"""The delimiter after `\left` or `\right`: `.` is none, `<` and `>` are angle brackets."""
        fence = self.peek()
        if fence is None or fence in "{}^_":
            if self.lenient:
                return Row()
            raise self.fail(f"{word} without a delimiter", "a bracket, | or .")
        if fence in (".", "<", ">"):
            self.at += 1
            return Row() if fence == "." else Atom("\\langle" if fence == "<" else "\\rangle")
        return Row()

    def command(self, word: str, in_script: bool) -> Node:
        index = None
        if word == "\\sqrt" and self.peek() == "[":
            opened = self.position()
            self.at += 1
            index = self.row("]", True)
            if self.peek() == "]":
                self.at += 1
            elif not self.lenient:
                raise LatexError("the index of a root is never closed", opened, "]")
        what = f"the argument of {word}"
        args = tuple(self.argument(what, in_script) for _ in range(ARITIES[word]))
        if word == "\\mathbb":
            styled = tuple(_double_struck(child) for child in args[0].children)
            return styled[0] if len(styled) == 1 else Row(styled)
        return Command(word, args, index if index and index.children else None)

    def unknown(self, word: str, in_script: bool) -> Node:
        """An unknown command as one token; the groups right after it are kept as its arguments."""
        if word.startswith("\\end{"):
            if self.lenient:
                return Row()
            raise LatexError(f"{word} without its \\begin", self.words[self.at - 1][1])
        if word[1:3] in ("lt", "gt") and len(word) == 4:  # `\ltN`: the blank after \lt was lost
            return Row((Atom(ALIASES[word[:3]]), Atom(word[3])))
        args = []
        while self.peek() == "{":
            args.append(self.group(in_script))
        return Command(word, tuple(args)) if args else Atom(word)

    def environment(self, word: str, in_script: bool) -> Row:
        r"""The content of an environment up to its `\end{name}`, with the delimiters it draws."""
        begun = self.words[self.at - 1][1]
        name = word[len("\\begin{") : -1].rstrip("*")
        if name not in MATRICES and name not in LINES:
            raise LatexError(
                f"the environment {name} is none that is known", begun,
                ", ".join(sorted([*MATRICES, *LINES])),
            )  # fmt: skip
        self.skip_bracket(_is_position)
        if name in WITH_COLUMNS:
            self.argument(f"the columns of {name}", in_script)
        stop = word.replace("begin", "end", 1)
        lines: list[tuple[Row, ...]] = []
        cells: list[Row] = []
        while True:
            cells.append(self.row(stop, in_script, in_cell=True))
            word = self.peek() or ""
            self.at += word != ""
            if word != CELL_END:
                lines.append(tuple(cells))
                cells = []
            if word == LINE_END:
                self.skip_bracket(_is_length)
            elif word == "" and not self.lenient:
                raise LatexError("an environment that is never ended", begun, stop)
            elif word != CELL_END:
                break
        if name in LINES:
            lines = [(_joined(line, in_script),) for line in lines]
        before, after = MATRICES.get(name, ("", ""))
        signs = [
            [Atom(sign) for sign in ("||" if side == "||" else [side] if side else [])]
            for side in (before, after)
        ]
        return Row((*signs[0], *_matrix(lines).children, *signs[1]))

    def skip_bracket(self, is_setting: Callable[[str], bool]) -> None:
        r"""Skip the position of an array or the distance after `\\`, but not mathematics."""
        if self.peek() == "[":
            words = [word for word, _ in self.words[self.at : self.at + _LONGEST_SETTING]]
            if "]" in words and is_setting("".join(words[1 : words.index("]")])):
                self.at += words.index("]") + 1

    def skip_star(self) -> None:
        if self.peek() == "*":
            self.at += 1

    def argument(self, what: str, in_script: bool) -> Row:
        """A group, or without braces the next sign alone."""
        while self.peek() in DROPPED:
            self.at += 1
        word = self.peek()
        if word == "{":
            return self.group(in_script)
        if word is None or word in ("}", "^", "_", "&", "\\\\", "\\over"):
            if self.lenient:
                return Row()
            raise self.fail("the text ends" if word is None else f"there is a {word}", what)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH} levels")
        row = make_row([self.item(in_script)], in_script=in_script)
        self.depth -= 1
        return row


def _is_length(text: str) -> bool:
    return re.fullmatch(r"-?[0-9.]*(pt|em|ex|cm|mm|in|\\\w+)", text) is not None


def _is_position(text: str) -> bool:
    return text in ("t", "b", "c")


def _can_be_base(items: list[Node]) -> bool:
    """Whether a script can follow: not at the beginning, nor after a cell's or a line's end."""
    return bool(items) and not (isinstance(items[-1], Atom) and items[-1].token in ("&", "\\\\"))


def _named(body: Row) -> Row:
    r"""Upright letters as a function if they spell one, as `\text` if they are a word."""
    letters = "".join(c.token if isinstance(c, Atom) else " " for c in body.children)
    if letters in FUNCTIONS:
        token = ALIASES.get("\\" + letters, "\\" + letters)
        return Row(tuple(Atom(sign) for sign in EXPANSIONS.get(token, (token,))))
    return Row((Command("\\text", (body,)),)) if letters in WORDS else body


def _double_struck(node: Node) -> Node:
    r"""A capital in `\mathbb`, each by itself; other signs have one form."""
    if isinstance(node, Script):
        return replace(node, base=_double_struck(node.base))
    if isinstance(node, Atom) and node.token.isascii() and node.token.isupper():
        return Command("\\mathbb", (Row((node,)),))
    return node


def _joined(cells: Iterable[Row], in_script: bool) -> Row:
    return make_row([child for cell in cells for child in cell.children], in_script=in_script)


def _in_lines(items: list[Node], in_script: bool) -> Row:
    """A row, or the matrix of the lines that `items` holds."""
    ends = (Atom(LINE_END), Atom(CELL_END))
    if ends[0] not in items:
        return make_row((one for one in items if one != ends[1]), in_script=in_script)
    lines: list[list[Node]] = [[]]
    for one in items:
        if one == ends[0]:
            lines.append([])
        elif one != ends[1]:
            lines[-1].append(one)
    return _matrix([(make_row(line, in_script=in_script),) for line in lines])


def _matrix(lines: Iterable[Sequence[Row]]) -> Row:
    """Lines as one matrix, without empty lines and empty cells at a line's end."""
    kept = []
    for line in lines:
        last = max((i for i, cell in enumerate(line) if cell.children), default=-1)
        if last >= 0:
            kept.append(tuple(line[: last + 1]))
    if len(kept) <= 1 and all(len(line) == 1 for line in kept):
        return kept[0][0] if kept else Row()
    return Row((Matrix(tuple(kept)),))


def parse(latex: str, *, lenient: bool = False) -> Node:
    """Parse LaTeX to a tree.

    Args:
        latex: one expression, with or without dollar signs.
        lenient: accept unbalanced braces, missing arguments and double scripts, which CROHME's
            annotations have.

    Raises:
        LatexError: with the position and what was expected.
    """
    if len(latex) > MAX_LENGTH:
        raise LatexError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(latex, lenient).row(None, False)


def normalize(latex: str, *, lenient: bool = False) -> list[str]:
    """The canonical tokens of a LaTeX expression; arguments and errors as for `parse`."""
    return emit(parse(latex, lenient=lenient))
