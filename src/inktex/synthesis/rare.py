r"""Captions that hold a given token, so that none of the alphabet is left unwritten.

The token takes the place of a symbol of its kind, or is put where people write it: an accent over a
letter, a label over an arrow, a word between two items.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inktex.tokenizer.vocabulary_inktex import (
    ARGUMENT_COUNTS,
    BIG_OPERATORS,
    DELIMITER_PAIRS,
    FOLDED,
    FUNCTIONS,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
    VOCABULARY,
    WORDS,
)

from .layout import ACCENTS, RELATIONS

__all__ = ["INKED", "MORE_KINDS", "with_token"]

INKED: Final = tuple(
    token
    for token in VOCABULARY
    if token not in {*SPECIAL_TOKENS, *STRUCTURAL_TOKENS, *FOLDED, UNKNOWN_MARK}
)
"""The tokens that are written symbols."""
_ALONE: Final = 0.3
"""Share of the captions with an unknown mark that are nothing else."""
DOUBLE_STRUCK: Final = ("R", "N", "Z", "Q", "C", "P", "E", "F", "H")

_LOWER = (
    "a b c d e f g h i j k l m n o p q r s t u v w x y z "
    r"\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi \pi "
    r"\rho \sigma \varsigma \tau \upsilon \phi \chi \psi \omega \ell \hbar \partial \nabla"
)
_UPPER = (
    "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z "
    r"\Gamma \Delta \Theta \Lambda \Xi \Pi \Sigma \Upsilon \Phi \Psi \Omega \aleph \emptyset "
    r"\infty \square \diamond \triangle \ldots \cdots"
)
_BINARY = (
    r"+ - \pm \mp \times \div \cdot * \circ \bullet \star \oplus \otimes \odot \ominus \cup \cap "
    r"\setminus \wedge \vee \dagger / ,"
)
_RELATIONAL = (
    r"= < > \leq \geq \neq \equiv \approx \sim \simeq \cong \propto \perp \ll \gg \in \notin \ni "
    r"\subset \supset \subseteq \supseteq \rightarrow \leftarrow \leftrightarrow \Rightarrow "
    r"\Leftarrow \Leftrightarrow \mapsto \prec \succ \preceq \succeq \subsetneq \supsetneq "
    r"\sqsubseteq \sqsupseteq \vdash \Vdash \models \doteq \hookrightarrow \rightleftharpoons "
    r"\nearrow \searrow \uparrow \downarrow : ; | \therefore \because"
)
_PREFIX = r"\neg \forall \exists \angle \Re \Im \partial \nabla \# \& \$"
_SUFFIX = r"! ? . \% \prime \dagger \top"
_RAISED: Final = frozenset({r"\prime", r"\dagger", r"\top"})
"""Suffixes that are superscripts; on the line a `\\top` is a T."""
_WITH_DIGITS: Final = frozenset({r"\%", r"\$"})
_PHRASES: Final = {
    r"\emptyset": (r"? = \emptyset", r"? \neq \emptyset", r"? \cap ? = \emptyset"),
    r"\aleph": (r"\aleph _ { 0 }", r"\aleph _ { 1 }"),
}
"""Symbols that textbooks have in few phrases, which tell them from look-alikes; `?` is a letter."""
MORE_KINDS: Final[tuple[str, ...]] = (
    "0 1 2 3 4 5 6 7 8 9",
    _LOWER,
    _UPPER,
    _BINARY,
    _RELATIONAL,
    " ".join(sorted(BIG_OPERATORS)),
    " ".join(sorted(FUNCTIONS - {r"\bmod"})),
    r"\ldots \cdots",
)
"""Symbols that may stand for one another, of the whole alphabet."""
_LETTERS: Final = tuple(r"a b c f i k m n p t u v x y z A B X \alpha \lambda \theta".split())
_WORDS: Final = tuple(WORDS)
_LOWER_TOKENS: Final = frozenset(_LOWER.split())
_UPPER_TOKENS: Final = frozenset(_UPPER.split())
BINARY_TOKENS: Final = frozenset(_BINARY.split())
_PREFIX_TOKENS: Final = frozenset(_PREFIX.split())
_SUFFIX_TOKENS: Final = frozenset(_SUFFIX.split())
_KIND: Final = {
    token: frozenset(kind.split()) for kind in reversed(MORE_KINDS) for token in kind.split()
}
_NEGATED: Final = frozenset(
    r"< > \leq \geq \equiv \approx \sim \simeq \cong \ni \subset \supset \subseteq \supseteq \prec "
    r"\succ \vdash \models \perp \rightarrow \leftarrow \leftrightarrow \Rightarrow \Leftarrow "
    r"\Leftrightarrow \exists |".split()
)
"""What people strike out."""
_DOTTED: Final = frozenset("ij")
_BASES: Final = frozenset(f"{_LOWER} {_UPPER}".split()) - frozenset(
    r"\hbar \partial \nabla \aleph \emptyset \infty \square \diamond \triangle \ldots "
    r"\cdots".split()
)
"""Letters: what textbooks put accents over."""
_DIGITS: Final = tuple("0123456789")
_WIDE: Final = frozenset({r"\overline", r"\underline"})
_NEXT_TOO: Final = 0.4
"""Probability that a line over or under a letter goes on over the next one; textbooks have lines of
several symbols in a third of the cases."""
_CLOSING: Final = {close: open_ for open_, close in DELIMITER_PAIRS.items()}
RELATION_TOKENS: Final = frozenset(_RELATIONAL.split()) | RELATIONS


def with_token(tokens: Sequence[str], token: str, rng: np.random.Generator) -> list[str]:
    r"""A caption that holds a token.

    Args:
        tokens: a caption in canonical style.
        token: of `INKED`, or a word of `\text`, or `\mathbb`, or the unknown mark.
        rng: source of all randomness.
    """
    out = [*tokens]
    if token in out and token != r"\text":
        return out
    if token == r"\mathbb":
        letter = DOUBLE_STRUCK[int(rng.integers(len(DOUBLE_STRUCK)))]
        return _replace(out, _UPPER_TOKENS, [token, "{", letter, "}"], rng)
    if token == r"\text":
        word = _WORDS[int(rng.integers(len(_WORDS)))]
        return _insert(out, [token, "{", *word, "}"], rng)
    if token == r"\frac":
        return _insert(out, [token, "{", _letter(rng), "}", "{", _letter(rng), "}"], rng)
    if token == r"\binom":
        if r"\frac" in out:
            return [token if one == r"\frac" else one for one in out]
        return _insert(out, [token, "{", "n", "}", "{", "k", "}"], rng)
    if token in (r"\overset", r"\underset"):
        over = ["?", "!", "*", r"\prime", _letter(rng)][int(rng.integers(5))]
        base = ["=", r"\rightarrow", r"\sim", r"\leq", _letter(rng)][int(rng.integers(5))]
        return _replace(out, RELATION_TOKENS, [token, "{", over, "}", "{", base, "}"], rng)
    if token in (r"\xrightarrow", r"\xleftarrow"):
        label = [[_letter(rng)], ["n", r"\rightarrow", r"\infty"], ["f"]][int(rng.integers(3))]
        return _replace(out, RELATION_TOKENS, [token, "{", *label, "}"], rng)
    if token in (r"\overbrace", r"\underbrace"):
        mark = "^" if token == r"\overbrace" else "_"
        inner = [_letter(rng), "+", r"\cdots", "+", _letter(rng)]
        return _insert(out, [token, "{", *inner, "}", mark, "{", _letter(rng), "}"], rng)
    if token in ACCENTS:
        return _accent(out, token, rng)
    if ARGUMENT_COUNTS.get(token):
        return _insert(out, [token, "{", _letter(rng), "}"], rng)
    if token in DELIMITER_PAIRS or token in _CLOSING:
        opening = _CLOSING.get(token, token)
        inner = [_letter(rng), *([] if rng.random() < 0.4 else [",", _letter(rng)])]
        return _insert(out, [opening, *inner, DELIMITER_PAIRS[opening]], rng)
    if token == r"\not":
        # `\not =` and `\not \in` are symbols of their own.
        places = [i for i, t in enumerate(out) if t in _NEGATED]
        if places:
            place = places[int(rng.integers(len(places)))]
            return [*out[:place], token, *out[place:]]
        return [*out, token, r"\subset", _letter(rng)]
    if token in _PHRASES:
        phrase = _PHRASES[token][int(rng.integers(len(_PHRASES[token])))]
        return _insert(out, [_letter(rng) if t == "?" else t for t in phrase.split()], rng)
    if token in _WITH_DIGITS:
        digits = rng.choice(_DIGITS, int(rng.integers(1, 3))).tolist()
        return _insert(out, [*digits, token] if token == r"\%" else [token, *digits], rng)
    if token in _PREFIX_TOKENS:
        return _insert(out, [token, _letter(rng)], rng)
    if token in _SUFFIX_TOKENS:
        suffix = ["^", "{", token, "}"] if token in _RAISED else [token]
        return _insert(out, [_letter(rng), *suffix], rng)
    if token == r"\bmod":
        return _insert(out, ["(", token, _letter(rng), ")"], rng)
    if token in FUNCTIONS:
        return _replace(out, FUNCTIONS, [token], rng, [token, _letter(rng)])
    if token in BIG_OPERATORS:
        return _replace(out, BIG_OPERATORS, [token], rng, [token, "_", "{", "i", "}", _letter(rng)])
    if token == UNKNOWN_MARK:
        if rng.random() < _ALONE:
            return [token]
        return _replace(out, _LOWER_TOKENS | _UPPER_TOKENS, [token], rng)
    kind = _KIND.get(token, _LOWER_TOKENS)
    is_between = token in BINARY_TOKENS or token in RELATION_TOKENS
    return _replace(
        out, kind, [token], rng, [_letter(rng), token, _letter(rng)] if is_between else None
    )


def _letter(rng: np.random.Generator) -> str:
    return _LETTERS[int(rng.integers(len(_LETTERS)))]


def _accent(tokens: list[str], accent: str, rng: np.random.Generator) -> list[str]:
    """With an accent over a letter; dots stand over no letter that has its own."""
    bases = _BASES - _DOTTED if accent in (r"\dot", r"\ddot") else _BASES
    places = [i for i, one in enumerate(tokens) if one in bases and not _in_word(tokens, i)]
    if not places:
        letter = _letter(rng)
        return _insert(tokens, [accent, "{", letter if letter in bases else "x", "}"], rng)
    start = places[int(rng.integers(len(places)))]
    stop = start + 1
    while accent in _WIDE and rng.random() < _NEXT_TOO:
        if tokens[stop : stop + 1] and tokens[stop] in {*bases, *_DIGITS}:
            stop += 1
        else:
            break
    return [*tokens[:start], accent, "{", *tokens[start:stop], "}", *tokens[stop:]]


def _replace(
    tokens: list[str],
    kind: frozenset[str],
    new: list[str],
    rng: np.random.Generator,
    otherwise: list[str] | None = None,
) -> list[str]:
    """With one symbol of a kind exchanged; where there is none, `otherwise` put between items."""
    places = [i for i, one in enumerate(tokens) if one in kind and not _in_word(tokens, i)]
    if not places:
        return _insert(tokens, otherwise or new, rng)
    place = places[int(rng.integers(len(places)))]
    return [*tokens[:place], *new, *tokens[place + 1 :]]


def _in_word(tokens: Sequence[str], place: int) -> bool:
    """Whether a token stands in the braces of a word or of a double-struck letter."""
    for before in range(place - 1, -1, -1):
        if tokens[before] == "}":
            return False
        if tokens[before] == "{":
            return tokens[max(before - 1, 0)] in (r"\text", r"\mathbb")
    return False


def _insert(tokens: list[str], new: list[str], rng: np.random.Generator) -> list[str]:
    """With some tokens put in front, behind, or before a relation of the outermost row."""
    depth, places = 0, [0, len(tokens)]
    for i, one in enumerate(tokens):
        if not depth and (one in RELATION_TOKENS or one in ("+", "-")):
            places.append(i)
        depth += (one in ("{", r"\begin{matrix}")) - (one in ("}", r"\end{matrix}"))
    place = places[int(rng.integers(len(places)))]
    return [*tokens[:place], *new, *tokens[place:]]
