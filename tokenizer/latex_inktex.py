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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .vocabulary_inktex import (
    ARGUMENT_COUNTS,
    CELL_END,
    EXPANSIONS,
    LINE_END,
    MATRIX_BEGIN,
    MATRIX_END,
    NOTHING_TOKEN,
    RENAMED,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
    WORDS,
)

__all__ = [
    "Atom",
    "Command",
    "Emitted",
    "Group",
    "LatexError",
    "Matrix",
    "Node",
    "Row",
    "Script",
    "attach",
    "emit",
    "emit_marked",
    "make_row",
    "name_token",
    "normalize",
    "parse",
]

MAX_DEPTH = 100
MAX_LENGTH = 20_000
_LONGEST_SETTING = 16
"""Words of an environment's setting in brackets."""

# ---------------------------------------------------------------------------------------- tables


def _words(text: str) -> list[str]:
    return text.split()


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


# Functions whose name is one sign in the canonical form.
FUNCTIONS = frozenset(
    _words("""arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim
    liminf limsup ln log max min Pr sec sin sinh sup tan tanh""")
)
# Signs that take no argument, so that braces after them are mere grouping.
SIGNS = frozenset(
    _words("""alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa
    lambda mu nu xi omicron pi varpi rho varrho sigma varsigma tau upsilon phi varphi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    sum int iint iiint oint prod coprod bigcup bigcap bigoplus bigotimes bigwedge bigvee
    pm mp times div cdot ast star circ bullet oplus ominus otimes oslash odot cup cap uplus setminus
    wedge vee wr amalg dagger ddagger triangle bigtriangleup bigtriangledown
    leq geq neq ll gg prec succ preceq succeq sim simeq approx cong equiv propto doteq asymp
    in notin ni subset supset subseteq supseteq subsetneq supsetneq perp models vdash dashv bowtie
    rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow longrightarrow
    longleftarrow Longrightarrow Longleftarrow mapsto longmapsto hookrightarrow hookleftarrow
    uparrow downarrow updownarrow rightharpoonup rightleftharpoons nearrow searrow swarrow nwarrow
    infty partial nabla forall exists nexists emptyset varnothing neg prime hbar ell Re Im aleph wp
    angle top bot surd imath jmath degree therefore because square Box diamond Diamond checkmark
    ldots cdots vdots ddots langle rangle lfloor rfloor lceil rceil backslash bmod mod ltimes
    rtimes lesssim gtrsim less leqq geqq iff implies not notni flat natural sharp clubsuit spadesuit
    hline bigcirc blacksquare copyright S P dag pounds euro yen""")
)
# Commands and their number of braced arguments: those of the vocabulary (`\text` is unwrapped), and
# others that are no tokens. `\sqrt` has an optional index besides.
ARITIES = {
    token: count for token, count in ARGUMENT_COUNTS.items() if token not in ("^", "_", "\\text")
} | dict.fromkeys(_words(r"\dddot \check \breve \acute \grave \overleftarrow \boxed \cancel"), 1)
# Other spellings of the same sign: what people write, and what MathML's entities are called.
# Handwriting has no bold, upright or display style. A prime is no alias, since it is a script.
ALIASES = {
    **{alias: token for alias, token in RENAMED.items() if alias != "'"},
    **_pairs(r"\lte \leq  \gte \geq  \cdotp \cdot  \infin \infty  \exist \exists"),
}
NEGATED = {"=": "\\neq", "\\in": "\\notin"}
UNICODE = _pairs(r"""
    × \times  ÷ \div  ± \pm  ∓ \mp  · \cdot  ⋅ \cdot  ∗ \ast  ∘ \circ  • \bullet  − -
    ≤ \leq  ≥ \geq  ⩽ \leq  ⩾ \geq  ≠ \neq  ≈ \approx  ≡ \equiv  ∼ \sim  ≅ \cong  ∝ \propto
    ∈ \in  ∉ \notin  ⊂ \subset  ⊃ \supset  ⊆ \subseteq  ⊇ \supseteq  ∪ \cup  ∩ \cap  ∅ \emptyset
    → \rightarrow  ← \leftarrow  ↔ \leftrightarrow  ⇒ \Rightarrow  ⇐ \Leftarrow
    ⇔ \Leftrightarrow  ↦ \mapsto  ∞ \infty  ∂ \partial  ∇ \nabla  ∀ \forall  ∃ \exists  ¬ \neg
    ∑ \sum  ∫ \int  ∏ \prod  ∮ \oint  … \ldots  ⋯ \cdots  ′ '  ⟨ \langle  ⟩ \rangle
    ⌊ \lfloor  ⌋ \rfloor  ⌈ \lceil  ⌉ \rceil  ℏ \hbar  ℓ \ell
    α \alpha  β \beta  γ \gamma  δ \delta  ε \epsilon  ζ \zeta  η \eta  θ \theta  ι \iota
    κ \kappa  λ \lambda  μ \mu  µ \mu  ν \nu  ξ \xi  π \pi  ρ \rho  σ \sigma  τ \tau  υ \upsilon
    φ \phi  χ \chi  ψ \psi  ω \omega  Γ \Gamma  Δ \Delta  Θ \Theta  Λ \Lambda  Ξ \Xi  Π \Pi
    Σ \Sigma  Υ \Upsilon  Φ \Phi  Ψ \Psi  Ω \Omega
""")
# Says how large, how far apart or in which style; nothing that a pen writes.
DROPPED = frozenset(
    _words(r"""\! \, \; \: \> \/ \quad \qquad \enspace \thinspace \medspace \thickspace
    \negthinspace \limits \nolimits \displaylimits \displaystyle \textstyle \scriptstyle
    \scriptscriptstyle \middle \big \Big \bigg \Bigg \bigl \Bigl \biggl \Biggl \bigr \Bigr \biggr
    \Biggr \bigm \Bigm \rm \it \bf \sf \tt \cal \mathstrut \strut \nonumber \notag \( \) \[ \]
    \null \relax \allowbreak \nobreak \noindent""")
) | {"\\ "}
DROPPED_WITH_ARGUMENT = frozenset({"\\hspace", "\\vspace", "\\label", "\\tag", "\\phantom"})
# Environments of cells, and the signs that they draw in front and behind.
MATRICES = {
    "matrix": ("", ""),
    "smallmatrix": ("", ""),
    "array": ("", ""),
    "pmatrix": ("(", ")"),
    "bmatrix": ("[", "]"),
    "Bmatrix": ("\\{", "\\}"),
    "vmatrix": ("|", "|"),
    "Vmatrix": ("||", "||"),
    "cases": ("\\{", ""),
    "dcases": ("\\{", ""),
    "rcases": ("", "\\}"),
}
# Environments of lines, in which `&` says what stands under what, and of a single line.
LINES = frozenset(
    _words("""aligned align split gathered gather eqnarray multline alignat alignedat flalign
    equation math displaymath""")
)
WITH_COLUMNS = frozenset({"array", "alignat", "alignedat"})
UNWRAPPED = frozenset(
    _words(r"""\mbox \hbox \mathrm \mathit \mathbf \mathsf \mathtt \mathnormal \text \textrm \textit
    \mathcal \mathfrak \mathscr \substack
    \textbf \textsf \texttt \textnormal \boldsymbol \bm \pmb \mathop \mathbin \mathrel \mathord
    \mathopen \mathclose \mathpunct \mathinner \ensuremath \emph \operatorname \smash""")
)
NAMING = frozenset({"\\mathrm", "\\operatorname", "\\mathop", "\\text", "\\textrm"})
WITH_LIMITS = frozenset({"\\sum", "\\int", "\\lim"})
# Names that people spell out letter by letter. The second set may be an index (`a_{tan}`), so it
# stays as it is inside scripts.
SPELLED = {name: "\\" + name for name in ("log", "lim")}
SPELLED_OUTSIDE_SCRIPTS = {name: "\\" + name for name in ("sin", "cos", "tan")}


class LatexError(ValueError):
    """LaTeX that cannot be read.

    Attributes:
        position: offset in the text, in characters from 0.
        expected: what should have stood there.
    """

    def __init__(self, message: str, position: int, expected: str = "") -> None:
        tail = f"; expected {expected}" if expected else ""
        super().__init__(f"{message} at character {position}{tail}")
        self.position = position
        self.expected = expected


# ------------------------------------------------------------------------------------------ tree


@dataclass(frozen=True, slots=True)
class Atom:
    """One sign. `refs` names where it came from (MathML ids), for callers who trace signs."""

    token: str
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Signs side by side; contains no other row, since plain grouping means nothing on paper."""

    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A base that keeps its braces: `{x^2}^3`, `{}_n C_k`."""

    body: Row


@dataclass(frozen=True, slots=True)
class Script:
    """A base with a subscript, a superscript or both."""

    base: Node
    sub: Row | None = None
    sup: Row | None = None


@dataclass(frozen=True, slots=True)
class Command:
    r"""A command with braced arguments, e.g. `\frac`; `index` is the optional one of `\sqrt`."""

    token: str
    args: tuple[Row, ...]
    index: Row | None = None
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Lines under one another, each of one or more cells; brackets are signs beside it."""

    lines: tuple[tuple[Row, ...], ...]


Node = Atom | Row | Group | Script | Command | Matrix


@dataclass(frozen=True, slots=True)
class Emitted:
    r"""A token of the canonical form, with what is known of it.

    Attributes:
        token: the token.
        ink: whether somebody had to write it; false for `{ } ^ _ \limits`, a root's brackets, and
            what tells the lines and cells of a matrix apart.
        refs: the `refs` of the tree node that it stands for.
    """

    token: str
    ink: bool
    refs: tuple[str, ...] = ()


def attach(items: list[Node], mark: str, argument: Row, *, grouped: bool = False) -> bool:
    """Hang a script on the last of `items`, in place.

    Args:
        items: the row so far; empty means an empty base.
        mark: `_` or `^`.
        argument: the script; an empty one is dropped.
        grouped: whether the last item stood in braces, so that a second script of the same kind
            belongs to the whole of it.

    Returns:
        Whether it could be attached; false for `x^2^3`, which has no meaning.
    """
    if not argument.children:
        return True
    base = items[-1] if items else Group(Row())
    script = base if isinstance(base, Script) else Script(base)
    taken = script.sub if mark == "_" else script.sup
    if taken is not None:
        if not grouped:
            return False
        script = Script(Group(Row((base,))))
    script = replace(script, sub=argument) if mark == "_" else replace(script, sup=argument)
    items[-1:] = [script]
    return True


def make_row(items: Iterable[Node], *, in_script: bool = False) -> Row:
    """A flat row out of `items`, with function names that were spelled out put together."""
    flat: list[Node] = []
    for item in items:
        flat.extend(item.children if isinstance(item, Row) else (item,))
    names = SPELLED if in_script else SPELLED | SPELLED_OUTSIDE_SCRIPTS
    merged: list[Node] = []
    for item in flat:
        merged.append(item)
        _merge_negated(merged)
        _merge_spelled(merged, names)
    return Row(tuple(merged))


def _merge_negated(items: list[Node]) -> None:
    r"""Put `\not` and the sign after it together; the sign may carry scripts."""
    if len(items) < 2 or not isinstance(slash := items[-2], Atom) or slash.token != "\\not":
        return
    last = items[-1]
    head = last.base if isinstance(last, Script) else last
    if isinstance(head, Atom) and head.token in NEGATED:
        sign = Atom(NEGATED[head.token], slash.refs + head.refs)
        items[-2:] = [replace(last, base=sign) if isinstance(last, Script) else sign]


def _merge_spelled(items: list[Node], names: dict[str, str]) -> None:
    """Put the last three items together if they spell a function; the last may carry scripts."""
    if len(items) < 3:
        return
    last = items[-1]
    head = last.base if isinstance(last, Script) else last
    letters = (items[-3], items[-2], head)
    if not all(isinstance(letter, Atom) for letter in letters):
        return
    token = names.get("".join(letter.token for letter in letters if isinstance(letter, Atom)))
    if token is None:
        return
    refs = tuple(ref for letter in letters if isinstance(letter, Atom) for ref in letter.refs)
    name = Atom(token, refs)
    items[-3:] = [replace(last, base=name) if isinstance(last, Script) else name]


# ----------------------------------------------------------------------------------------- lexer


def name_token(name: str) -> str | None:
    """The canonical token for a sign's name without backslash (`theta`, `le`), or None."""
    token = ALIASES.get("\\" + name)
    if token is None and (name in FUNCTIONS or name in SIGNS):
        token = "\\" + name
    return None if token in ARITIES else token


_OWN = re.compile(f"{UNKNOWN_MARK}|{NOTHING_TOKEN}")


def _lex(text: str) -> Iterator[tuple[str, int]]:
    r"""Words and their positions: `\name`, `\begin{name}`, or one character; no white space."""
    i, end = 0, len(text)
    while i < end:
        start, char = i, text[i]
        i += 1
        if char == "\\":
            if i < end and text[i].isascii() and text[i].isalpha():
                while i < end and text[i].isascii() and text[i].isalpha():
                    i += 1
            elif i < end:
                i += 1
                if text[i - 1].isspace():
                    yield "\\ ", start
                    continue
            else:
                raise LatexError("a backslash with nothing after it", start, "a command")
            word = text[start:i]
            if word in ("\\begin", "\\end"):
                opening = i
                while opening < end and text[opening].isspace():
                    opening += 1
                closing = text.find("}", opening)
                if opening == end or text[opening] != "{" or closing < 0:
                    raise LatexError(f"{word} without a name", start, "{name}")
                i = closing + 1
                word += "{" + "".join(text[opening + 1 : closing].split()) + "}"
            yield word, start
        elif char == "%":
            newline = text.find("\n", i)
            i = end if newline < 0 else newline
        elif char == "<" and (own := _OWN.match(text, start)):
            i = own.end()
            yield own[0], start
        elif not char.isspace() and char not in "$~\ufeff\u200b":
            yield UNICODE.get(char, char), start


# ---------------------------------------------------------------------------------------- parser


class _Parser:
    def __init__(self, text: str, lenient: bool) -> None:
        self.words = list(_lex(text))
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
        """Everything up to `stop`, which is left standing, or up to the end for None.

        A cell of a matrix ends at the next one as well. Elsewhere lines make a matrix.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH} levels")
        items: list[Node] = []
        numerator: Row | None = None
        grouped = False  # did the last item stand in braces
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
                    # `{}` hides what stands before it from a script that follows.
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
        """All the scripts that follow, hung on `base`, which is one node or none."""
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
        """One sign or command with its arguments; a `Row` is a group to be dissolved."""
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
        r"""The fence after `\left` or `\right`; `.` is none, angle brackets may be `<` `>`."""
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
        """A command nobody knows is one token; groups right after it may matter, so they stay."""
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
        r"""What follows `\begin{name}` up to its `\end{name}`, with the signs that it draws."""
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
        r"""Pass over the place of an array or the distance after `\\`, but not over mathematics."""
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
    """Whether there is something to hang a script on: not after a cell's or a line's end."""
    return bool(items) and not (isinstance(items[-1], Atom) and items[-1].token in ("&", "\\\\"))


def _named(body: Row) -> Row:
    """Upright letters that spell a function are that function, those of a word are text."""
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
    """Lines as one matrix, without empty ones and empty cells at a line's end."""
    kept = []
    for line in lines:
        last = max((i for i, cell in enumerate(line) if cell.children), default=-1)
        if last >= 0:
            kept.append(tuple(line[: last + 1]))
    if len(kept) <= 1 and all(len(line) == 1 for line in kept):
        return kept[0][0] if kept else Row()
    return Row((Matrix(tuple(kept)),))


def parse(latex: str, *, lenient: bool = False) -> Node:
    """Read LaTeX into a tree.

    Args:
        latex: one expression, with or without dollar signs.
        lenient: forgive unbalanced braces, missing arguments and double scripts, as old
            annotations have them, instead of raising.

    Raises:
        LatexError: with the position and what was expected.
    """
    if len(latex) > MAX_LENGTH:
        raise LatexError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(latex, lenient).row(None, False)


# --------------------------------------------------------------------------------------- emitter


def emit_marked(node: Node) -> list[Emitted]:
    """The canonical tokens of a tree, each with whether it is ink and where it came from."""
    out: list[Emitted] = []
    _emit(node, out)
    return out


def emit(node: Node) -> list[str]:
    """The canonical tokens of a tree."""
    return [emitted.token for emitted in emit_marked(node)]


def normalize(latex: str, *, lenient: bool = False) -> list[str]:
    """The canonical tokens of a LaTeX expression; arguments and errors as for `parse`."""
    return emit(parse(latex, lenient=lenient))


def _braced(row: Row, out: list[Emitted]) -> None:
    out.append(Emitted("{", False))
    _emit(row, out)
    out.append(Emitted("}", False))


def _emit(node: Node, out: list[Emitted]) -> None:
    match node:
        case Atom(token, refs):
            out.append(Emitted(token, True, refs))
        case Row(children):
            for child in children:
                _emit(child, out)
        case Group(body):
            _braced(body, out)
        case Script(base, sub, sup):
            _emit(base, out)
            if sub is not None:
                if isinstance(base, Atom) and base.token in WITH_LIMITS:
                    out.append(Emitted("\\limits", False))
                out.append(Emitted("_", False))
                _braced(sub, out)
            if sup is not None:
                out.append(Emitted("^", False))
                _braced(sup, out)
        case Command(token, args, index, refs):
            out.append(Emitted(token, token not in STRUCTURAL_TOKENS, refs))
            if index is not None:
                out.append(Emitted("[", False))
                # A closing bracket inside would end the index, so such an index keeps its braces.
                protected = any(isinstance(c, Atom) and c.token == "]" for c in _signs(index))
                (_braced if protected else _emit)(index, out)
                out.append(Emitted("]", False))
            for arg in args:
                _braced(arg, out)
        case Matrix(lines):
            out.append(Emitted(MATRIX_BEGIN, False))
            for number, line in enumerate(lines):
                if number:
                    out.append(Emitted(LINE_END, False))
                for column, cell in enumerate(line):
                    if column:
                        out.append(Emitted(CELL_END, False))
                    _emit(cell, out)
            out.append(Emitted(MATRIX_END, False))


def _signs(row: Row) -> Iterator[Node]:
    for child in row.children:
        yield child.base if isinstance(child, Script) else child
