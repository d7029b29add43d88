"""Alphabets by name, and the tokens that generation may write with one."""

from collections.abc import Sequence
from typing import Final

_DIGITS = "0 1 2 3 4 5 6 7 8 9"
_LOWER = "a b c d e f g h i j k l m n o p q r s t u v w x y z"
_UPPER = _LOWER.upper()
ALPHABETS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(" ".join(parts).split())
    for name, parts in {
        "crohme": (
            _DIGITS, _LOWER, "A B C E F G H I L M N P R S T V X Y",
            r"\alpha \beta \gamma \theta \lambda \mu \pi \sigma \phi \Delta",
            r"( ) [ ] \{ \} | / , . ! \prime \cdots \ldots + - \pm \times \div \cdot = < >",
            r"\leq \geq",
            r"\neq \in \rightarrow \infty \forall \exists \sum \int \lim \sin \cos \tan \log",
            r"\frac",
            r"\sqrt",
        ),
        "school": (
            _DIGITS, _LOWER, _UPPER,
            r"\alpha \beta \gamma \delta \theta \lambda \pi \phi \Delta ( ) [ ] \{ \} | / , .",
            r": ; ! ? \%",
            r"\prime \cdots \ldots + - \pm \times \div \cdot * = < > \leq \geq \neq \approx",
            r"\in \cup \cap",
            r"\subset \emptyset \rightarrow \Rightarrow \Leftrightarrow \infty \circ \angle",
            r"\triangle",
            r"\perp \sum \int \lim \sin \cos \tan \log \ln \frac \sqrt \overline \vec \bar",
            r"\mathbb \text",
            r"\begin{matrix} \end{matrix} & \\",
        ),
    }.items()
}  # fmt: skip
"""Alphabets by name: CROHME's symbols, on which systems are compared, and those of schools."""
_ALWAYS: Final = frozenset({"{", "}", "^", "_", r"\limits", "</s>", "<mark>", "<nothing>"})
"""Structure, and the tokens for other marks and for no formula."""


def allowed_tokens(alphabet: frozenset[str], vocabulary: Sequence[str]) -> list[bool]:
    """For each token whether it may be written: those of an alphabet, and structure.

    Args:
        alphabet: canonical tokens.
        vocabulary: tokens by their ids.
    """
    always = _ALWAYS
    if alphabet == ALPHABETS["crohme"]:  # whose pictures hold nothing else
        always = _ALWAYS - {"<mark>", "<nothing>"}
    return [token in alphabet or token in always for token in vocabulary]


__all__ = ["ALPHABETS", "allowed_tokens"]
