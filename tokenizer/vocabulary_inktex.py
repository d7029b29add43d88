r"""The vocabulary and the grammar of inktex's LaTeX, as plain data.

One token is one printed symbol (`x`, `\alpha`, `\frac`) or one mark of structure
(`{`, `^`, `\limits`).  The style is that of the published CROHME captions, and every
token of those captions is here; beside them stands what a user writes next to it, even
where CROHME has no sample of it.

This file imports the standard library alone, because it travels to the Hub beside the
model and is read by the normaliser, the tokenizer and the compact writer.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ALIASES",
    "ARGUMENT_COUNTS",
    "BIG_OPERATORS",
    "CELL_END",
    "DELIMITER_PAIRS",
    "EOS_TOKEN",
    "EXPANSIONS",
    "FOLDED",
    "FUNCTIONS",
    "GRAMMAR",
    "IDS",
    "L2R_TOKEN",
    "LIMITS_OPERATORS",
    "LINE_END",
    "MATRIX_BEGIN",
    "MATRIX_END",
    "NOTHING_TOKEN",
    "OPTIONAL_ARGUMENT_TOKENS",
    "PAD_TOKEN",
    "R2L_TOKEN",
    "RENAMED",
    "SPECIAL_TOKENS",
    "STRUCTURAL_TOKENS",
    "SUBSCRIPT_LIMITS_OPERATORS",
    "UNKNOWN_MARK",
    "UNK_TOKEN",
    "UNWRITTEN",
    "VOCABULARY",
    "WORDS",
]

PAD_TOKEN: Final = "<pad>"
UNK_TOKEN: Final = "<unk>"
EOS_TOKEN: Final = "</s>"
L2R_TOKEN: Final = "<l2r>"
"""Start token: the decoder then reads from left to right."""
R2L_TOKEN: Final = "<r2l>"
"""Start token: the decoder then reads from right to left."""

SPECIAL_TOKENS: Final[tuple[str, ...]] = (PAD_TOKEN, UNK_TOKEN, EOS_TOKEN, L2R_TOKEN, R2L_TOKEN)

UNKNOWN_MARK: Final = "<mark>"
"""Stands for a written mark that is no symbol of the vocabulary."""
NOTHING_TOKEN: Final = "<nothing>"
"""The whole reading of a picture that holds no formula."""
UNWRITTEN: Final = frozenset({*SPECIAL_TOKENS, NOTHING_TOKEN})
"""Tokens that no writer of a formula writes."""

MATRIX_BEGIN: Final = r"\begin{matrix}"
MATRIX_END: Final = r"\end{matrix}"
CELL_END: Final = "&"
LINE_END: Final = r"\\"

_STRUCTURE = r"{ } ^ _ \limits"
_DIGITS = "0 1 2 3 4 5 6 7 8 9"
_LOWER = "a b c d e f g h i j k l m n o p q r s t u v w x y z"
_UPPER = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"
_GREEK_LOWER = (
    r"\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \vartheta \iota \kappa "
    r"\lambda \mu \nu \xi \pi \rho \sigma \tau \upsilon \phi \varphi \chi \psi \omega"
)
_GREEK_UPPER = r"\Gamma \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega"
_DELIMITERS = r"( ) [ ] \{ \} | / \langle \rangle \lfloor \rfloor \lceil \rceil"
_PUNCTUATION = r", . ! : ; ? \% \prime \cdots \ldots \vdots \ddots"
_BINARY = (
    r"+ - \pm \mp \times \div \cdot * \circ \bullet \star \oplus \otimes \odot "
    r"\cup \cap \setminus \wedge \vee \neg \dagger"
)
_RELATIONS = (
    r"= < > \leq \geq \neq \equiv \approx \sim \simeq \cong \propto \perp \ll \gg "
    r"\in \notin \ni \subset \supset \subseteq \supseteq"
)
_ARROWS = (
    r"\rightarrow \leftarrow \leftrightarrow \Rightarrow \Leftarrow \Leftrightarrow "
    r"\mapsto \uparrow \downarrow"
)
_LETTERLIKE = (
    r"\infty \partial \nabla \forall \exists \emptyset \angle \triangle \hbar \ell \aleph "
    r"\Re \Im \therefore \because"
)
_BIG_OPERATORS = r"\sum \prod \coprod \int \oint \bigcup \bigcap"
_FUNCTIONS = (
    r"\lim \sin \cos \tan \cot \sec \csc \arcsin \arccos \arctan \sinh \cosh \tanh \coth "
    r"\log \ln \lg \exp \max \min \sup \inf \det \gcd \dim \ker \arg \deg \bmod"
)
_WITH_ARGUMENTS = (
    r"\frac \binom \sqrt \overline \underline \hat \bar \vec \tilde \dot \ddot \mathbb"
)

# Appended when the alphabet was widened.
_LINES = (MATRIX_BEGIN, MATRIX_END, CELL_END, LINE_END)
_MORE_SIGNS = (
    r"\# \& \$ \not \ominus \prec \succ \preceq \succeq \subsetneq \supsetneq \sqsubseteq "
    r"\sqsupseteq \vdash \Vdash \models \top \doteq \hookrightarrow \rightleftharpoons \nearrow "
    r"\searrow \varsigma \square \diamond \bigoplus \bigotimes \bigwedge \bigvee"
)
_MORE_WITH_ARGUMENTS = r"\overbrace \underbrace \overset \underset \xrightarrow \xleftarrow \text"

# FROZEN: a token's place in this tuple is its id, and trained checkpoints index their
# embeddings by it.  Append at the very end; never insert, remove or reorder.
VOCABULARY: Final[tuple[str, ...]] = SPECIAL_TOKENS + tuple(
    " ".join(
        (
            _STRUCTURE,
            _DIGITS,
            _LOWER,
            _UPPER,
            _GREEK_LOWER,
            _GREEK_UPPER,
            _DELIMITERS,
            _PUNCTUATION,
            _BINARY,
            _RELATIONS,
            _ARROWS,
            _LETTERLIKE,
            _BIG_OPERATORS,
            _FUNCTIONS,
            _WITH_ARGUMENTS,
            *_LINES,
            _MORE_SIGNS,
            _MORE_WITH_ARGUMENTS,
            UNKNOWN_MARK,
            NOTHING_TOKEN,
        )
    ).split()
)

IDS: Final[dict[str, int]] = {token: index for index, token in enumerate(VOCABULARY)}
"""Token -> id, the inverse of `VOCABULARY`."""

_STYLES = r"\mathbb \overset \underset \text"
# `\mathbb` is a style: the ink of `\mathbb { R }` is one symbol, which its letter carries.
STRUCTURAL_TOKENS: Final[frozenset[str]] = frozenset(
    {*_STRUCTURE.split(), *_LINES, *_STYLES.split(), NOTHING_TOKEN}
)
"""Tokens without ink of their own; every other token is one written symbol."""

ARGUMENT_COUNTS: Final[dict[str, int]] = {
    **dict.fromkeys(r"^ _ \sqrt \overline \underline \hat \bar \vec \tilde \dot \ddot".split(), 1),
    **dict.fromkeys(r"\mathbb \overbrace \underbrace \xrightarrow \xleftarrow \text".split(), 1),
    **dict.fromkeys(r"\frac \binom \overset \underset".split(), 2),
}
"""Token -> number of `{ }` groups that must follow it in canonical style."""

OPTIONAL_ARGUMENT_TOKENS: Final[frozenset[str]] = frozenset({r"\sqrt"})
"""Tokens that may carry one `[ ]` argument before their `{ }`; its brackets have no ink."""

BIG_OPERATORS: Final[frozenset[str]] = frozenset(
    {*_BIG_OPERATORS.split(), r"\bigoplus", r"\bigotimes", r"\bigwedge", r"\bigvee"}
)
FUNCTIONS: Final[frozenset[str]] = frozenset(_FUNCTIONS.split())
"""Operators written as an upright name (`\\sin`, `\\lim`)."""

LIMITS_OPERATORS: Final[frozenset[str]] = BIG_OPERATORS | frozenset(
    {r"\lim", r"\max", r"\min", r"\sup", r"\inf", r"\det", r"\gcd"}
)
"""Operators after which `\\limits` is legal and useful; elsewhere TeX stops with an error."""

FOLDED: Final[dict[str, str]] = {
    r"\varphi": r"\phi",
    r"\varepsilon": r"\epsilon",
    r"\vartheta": r"\theta",
}
"""Printed variants of a letter that handwriting does not distinguish -> the one token for them."""

GRAMMAR: Final[dict[str, int | list[int]]] = {
    "open": IDS["{"],
    "close": IDS["}"],
    "superscript": IDS["^"],
    "subscript": IDS["_"],
    "limits": IDS[r"\limits"],
    "optional_open": IDS["["],
    "optional_close": IDS["]"],
    "end": IDS[EOS_TOKEN],
    "matrix_begin": IDS[MATRIX_BEGIN],
    "matrix_end": IDS[MATRIX_END],
    "cell": IDS[CELL_END],
    "line": IDS[LINE_END],
    "nothing": IDS[NOTHING_TOKEN],
    "special": [
        *(IDS[token] for token in SPECIAL_TOKENS if token != EOS_TOKEN),
        *(IDS[token] for token in FOLDED),
    ],
    "operators": sorted(IDS[token] for token in LIMITS_OPERATORS),
    "optional": sorted(IDS[token] for token in OPTIONAL_ARGUMENT_TOKENS),
    "one_argument": [IDS[t] for t, n in ARGUMENT_COUNTS.items() if n == 1 and t not in "^_"],
    "two_arguments": [IDS[t] for t, n in ARGUMENT_COUNTS.items() if n == 2],
}
"""Ids by their role in the grammar; a model's configuration carries them for generation."""

SUBSCRIPT_LIMITS_OPERATORS: Final[frozenset[str]] = frozenset({r"\sum", r"\int", r"\lim"})
"""Operators that take `\\limits` in canonical style, exactly when they have a subscript."""

WORDS: Final[dict[str, str]] = {
    word.replace(" ", ""): word
    for word in (
        "if", "for", "otherwise", "and", "or", "where", "with", "when", "then", "else", "is", "are",
        "in", "on", "as", "to", "at", "of", "all", "each", "even", "odd", "so", "since", "not",
        "let",
        "for all", "such that", "s.t.", "i.e.", "e.g.", "w.r.t.", "a.e.", "if and only if",
        "const", "const.", "undefined", "else if", "there exists", "hence", "thus", "from",
    )
}  # fmt: skip
"""Letters of `\\text` in canonical style, and the words that they are."""

DELIMITER_PAIRS: Final[dict[str, str]] = {
    "(": ")",
    "[": "]",
    r"\{": r"\}",
    r"\langle": r"\rangle",
    r"\lfloor": r"\rfloor",
    r"\lceil": r"\rceil",
}

ALIASES: Final[dict[str, str]] = {
    # relations
    r"\lt": "<",
    r"\gt": ">",
    r"\le": r"\leq",
    r"\leqslant": r"\leq",
    r"\leqq": r"\leq",
    r"\ge": r"\geq",
    r"\geqslant": r"\geq",
    r"\geqq": r"\geq",
    r"\ne": r"\neq",
    r"\thicksim": r"\sim",
    r"\thickapprox": r"\approx",
    r"\varpropto": r"\propto",
    r"\bot": r"\perp",
    r"\owns": r"\ni",
    r"\mid": "|",
    r"\colon": ":",
    # arrows
    r"\to": r"\rightarrow",
    r"\longrightarrow": r"\rightarrow",
    r"\gets": r"\leftarrow",
    r"\longleftarrow": r"\leftarrow",
    r"\longleftrightarrow": r"\leftrightarrow",
    r"\implies": r"\Rightarrow",
    r"\Longrightarrow": r"\Rightarrow",
    r"\impliedby": r"\Leftarrow",
    r"\Longleftarrow": r"\Leftarrow",
    r"\iff": r"\Leftrightarrow",
    r"\Longleftrightarrow": r"\Leftrightarrow",
    r"\longmapsto": r"\mapsto",
    r"\longhookrightarrow": r"\hookrightarrow",
    r"\rightleftarrows": r"\rightleftharpoons",
    r"\varrho": r"\rho",
    r"\varpi": r"\pi",
    r"\varkappa": r"\kappa",
    # operators
    r"\ast": "*",
    r"\land": r"\wedge",
    r"\lor": r"\vee",
    r"\lnot": r"\neg",
    r"\backslash": r"\setminus",
    r"\smallsetminus": r"\setminus",
    r"\dag": r"\dagger",
    r"\centerdot": r"\cdot",
    r"\mod": r"\bmod",
    # delimiters
    r"\lbrack": "[",
    r"\rbrack": "]",
    r"\lbrace": r"\{",
    r"\rbrace": r"\}",
    r"\lparen": "(",
    r"\rparen": ")",
    r"\vert": "|",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\slash": "/",
    # dots, primes, letters
    r"\dots": r"\ldots",
    r"\hdots": r"\ldots",
    r"\dotsc": r"\ldots",
    r"\dotso": r"\ldots",
    r"\dotsb": r"\cdots",
    r"\dotsi": r"\cdots",
    r"\dotsm": r"\cdots",
    "'": r"\prime",
    r"\varnothing": r"\emptyset",
    r"\hslash": r"\hbar",
    # functions
    r"\tg": r"\tan",
    r"\ctg": r"\cot",
    r"\cotg": r"\cot",
    r"\arctg": r"\arctan",
    r"\cosec": r"\csc",
    # commands with arguments
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
    r"\cfrac": r"\frac",
    r"\dbinom": r"\binom",
    r"\tbinom": r"\binom",
    r"\widehat": r"\hat",
    r"\widetilde": r"\tilde",
    r"\overrightarrow": r"\vec",
    r"\stackrel": r"\overset",
    r"\Box": r"\square",
    r"\qed": r"\square",
    r"\blacksquare": r"\square",
    r"\subsetneqq": r"\subsetneq",
    r"\supsetneqq": r"\supsetneq",
    r"\omicron": "o",
}
"""Other spelling -> the one canonical token."""

RENAMED: Final[dict[str, str]] = {**ALIASES, **FOLDED}
"""All other spellings of one token -> the canonical token."""

EXPANSIONS: Final[dict[str, tuple[str, ...]]] = {
    r"\parallel": ("|", "|"),
    r"\Vert": ("|", "|"),
    r"\lVert": ("|", "|"),
    r"\rVert": ("|", "|"),
    r"\|": ("|", "|"),
    r"\nmid": (r"\not", "|"),
    r"\nexists": (r"\not", r"\exists"),
    r"\limsup": (r"\lim", r"\sup"),
    r"\liminf": (r"\lim", r"\inf"),
    r"\Pr": ("P", "r"),
    r"\hom": ("h", "o", "m"),
    r"\iint": (r"\int", r"\int"),
    r"\iiint": (r"\int", r"\int", r"\int"),
}
"""Other spelling -> several canonical tokens."""
