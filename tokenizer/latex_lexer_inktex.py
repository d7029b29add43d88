r"""Words of LaTeX, and the tables of what each word means to the parser."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .vocabulary_inktex import (
    ARGUMENT_COUNTS,
    NOTHING_TOKEN,
    RENAMED,
    UNKNOWN_MARK,
    VOCABULARY,
)

__all__ = [
    "ALIASES",
    "ARITIES",
    "DROPPED",
    "DROPPED_WITH_ARGUMENT",
    "FUNCTIONS",
    "LINES",
    "LatexError",
    "MATRICES",
    "NAMING",
    "NEGATED",
    "SIGNS",
    "UNICODE",
    "UNWRAPPED",
    "WITH_COLUMNS",
    "lex",
    "name_token",
]


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


# Functions whose name is one sign in the canonical form.
FUNCTIONS = frozenset(
    """arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim
    liminf limsup ln log max min Pr sec sin sinh sup tan tanh""".split()
)
# Signs that take no argument, so that braces after them are mere grouping: those of the vocabulary,
# and those that it lacks.
SIGNS = frozenset(
    token[1:]
    for token in VOCABULARY
    if token[:1] == "\\" and token[1:].isalpha() and token not in ARGUMENT_COUNTS
) | frozenset(
    """amalg asymp bigcirc bigtriangledown bigtriangleup bowtie checkmark clubsuit copyright dashv
    ddagger degree Diamond euro flat gtrsim hline hookleftarrow iiint iint imath jmath less lesssim
    ltimes natural nexists notni nwarrow oslash P pounds rightharpoonup rtimes S sharp spadesuit
    surd swarrow updownarrow uplus wp wr yen""".split()
)
# Commands and how many braced arguments follow, beyond the vocabulary's; `\sqrt` has an optional
# index besides, and `\text` is unwrapped.
ARITIES = {
    **{
        token: count
        for token, count in ARGUMENT_COUNTS.items()
        if token not in ("^", "_", "\\text")
    },
    **dict.fromkeys(r"\dddot \check \breve \acute \grave \overleftarrow \boxed \cancel".split(), 1),
}
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
# Sizes, distances and styles, which handwriting does not have.
DROPPED = frozenset(
    r"""\! \, \; \: \> \/ \quad \qquad \enspace \thinspace \medspace \thickspace
    \negthinspace \limits \nolimits \displaylimits \displaystyle \textstyle \scriptstyle
    \scriptscriptstyle \middle \big \Big \bigg \Bigg \bigl \Bigl \biggl \Biggl \bigr \Bigr \biggr
    \Biggr \bigm \Bigm \rm \it \bf \sf \tt \cal \mathstrut \strut \nonumber \notag \( \) \[ \]
    \null \relax \allowbreak \nobreak \noindent""".split()
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
    """aligned align split gathered gather eqnarray multline alignat alignedat flalign
    equation math displaymath""".split()
)
WITH_COLUMNS = frozenset({"array", "alignat", "alignedat"})
UNWRAPPED = frozenset(
    r"""\mbox \hbox \mathrm \mathit \mathbf \mathsf \mathtt \mathnormal \text \textrm \textit
    \mathcal \mathfrak \mathscr \substack
    \textbf \textsf \texttt \textnormal \boldsymbol \bm \pmb \mathop \mathbin \mathrel \mathord
    \mathopen \mathclose \mathpunct \mathinner \ensuremath \emph \operatorname \smash""".split()
)
NAMING = frozenset({"\\mathrm", "\\operatorname", "\\mathop", "\\text", "\\textrm"})


class LatexError(ValueError):
    """LaTeX that cannot be parsed.

    Attributes:
        message: what is wrong.
        position: offset in the text, in characters from 0.
        expected: what should have stood there.
    """

    def __init__(self, message: str, position: int, expected: str = "") -> None:
        super().__init__(message, position, expected)  # what unpickling in another process gives
        self.message = message
        self.position = position
        self.expected = expected

    def __str__(self) -> str:
        tail = f"; expected {self.expected}" if self.expected else ""
        return f"{self.message} at character {self.position}{tail}"


def name_token(name: str) -> str | None:
    """The canonical token for a sign's name without backslash (`theta`, `le`), or None."""
    token = ALIASES.get("\\" + name)
    if token is None and (name in FUNCTIONS or name in SIGNS):
        token = "\\" + name
    return None if token in ARITIES else token


_OWN = re.compile(f"{UNKNOWN_MARK}|{NOTHING_TOKEN}")


def lex(text: str) -> Iterator[tuple[str, int]]:
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
