"""Which structures (scripts, fractions, roots, ...) a caption has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STRUCTURES: Final = (
    "superscript", "subscript", "both scripts", "nested scripts", "fraction", "nested fractions",
    "root", "root with index", "sum or integral", "limits", "function name", "fence", "Greek",
)  # fmt: skip
"""What `structures` distinguishes."""

_SIGNS: Final = {
    **dict.fromkeys(r"\sum \int".split(), "sum or integral"),
    r"\limits": "limits",
    **dict.fromkeys(r"\sin \cos \tan \log \lim \ln \exp \max".split(), "function name"),
    **dict.fromkeys(r"( [ \{ |".split(), "fence"),
    **dict.fromkeys(
        r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi
        \pi \rho \sigma \tau \upsilon \phi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Xi \Pi
        \Sigma \Phi \Psi \Omega""".split(),
        "Greek",
    ),
}
_GROUPS: Final = {"^": 1, "_": 1, r"\frac": 2, r"\sqrt": 1}


def structures(tokens: Sequence[str]) -> set[str]:
    r"""Which of `STRUCTURES` a caption has.

    Args:
        tokens: canonical tokens; every `^`, `_`, `\frac` and `\sqrt` has its braces.
    """
    found: set[str] = set()
    around: list[str] = []  # the token that each open brace belongs to
    expected: list[str] = []  # the tokens of braces still to come, the next one last
    for token, follows in zip(tokens, [*tokens[1:], ""], strict=True):
        if token == "{":
            around.append(expected.pop() if expected else "")
        elif token == "}":
            closed = around.pop() if around else ""
            if closed == "_" and follows == "^":
                found.add("both scripts")
        elif token in _SIGNS:
            found.add(_SIGNS[token])
        elif token in _GROUPS:
            expected.extend([token] * _GROUPS[token])
            if token in ("^", "_"):
                found.add("superscript" if token == "^" else "subscript")
                if "^" in around or "_" in around:
                    found.add("nested scripts")
            elif token == r"\frac":
                found.add("nested fractions" if r"\frac" in around else "fraction")
            else:
                found.update({"root", "root with index"} if follows == "[" else {"root"})
    return found
