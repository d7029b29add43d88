r"""The characters of a font for each token of the vocabulary.

A token may have several characters (`\phi` is written φ or ϕ), and a character may serve several
tokens (Σ is `\Sigma` and, by hand, `\sum`). Function names are composed of letters elsewhere, and
so are fractions, roots with their bars, and dots in rows that a font lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...tokenizer.vocabulary_inktex import (
    ALIASES,
    FUNCTIONS,
    SPECIAL_TOKENS,
    STRUCTURAL_TOKENS,
    UNKNOWN_MARK,
    VOCABULARY,
)

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
_ITSELF = _LETTERS + _DIGITS + "()[]/+=<>,.!:;?"

_OTHER_SCRIPTS = (
    "あおかきけさすたなにぬねはふほまみむめもやゆよれわを"
    "アオキケサセタネホモヲ"
    "水火金花車道国愛雨学手赤青空竹糸耳虫足村男町見貝森草音気年早"
    "가나다라마바자차카타파한글말물밥집길눈봄별꽃"
    "ЖжЮюЯяДЪ"
)
"""Characters of Japanese, Korean and Russian that no symbol of mathematics looks like."""

UNSEEN_MARKS: Final[Mapping[str, str]] = {
    "kalam": "अआइईऊऋऐओऔकखघछझञथधफबभमलशषसह",
    "itim": "ฃซฆฌญฎฏฐฑฒณษสหฬ๒๕๘",
    "sriracha": "ฆฌญฎฏฐฑฒณษหฬ๒",
}
"""Font -> characters of Hindi or Thai that no symbol of mathematics looks like in it.

They are marks to evaluate by: no table above has them, so that training sees none of their kind."""

_WORDS = r"""
    \alpha α  \beta β  \gamma γ  \delta δ  \epsilon ϵε  \varepsilon ε  \zeta ζ  \eta η  \theta θ
    \vartheta ϑ  \iota ι  \kappa κ  \lambda λ  \mu μµ  \nu ν  \xi ξ  \pi π  \rho ρ  \sigma σ
    \tau τ  \upsilon υ  \phi φϕ  \varphi φϕ  \chi χ  \psi ψ  \omega ω  \Gamma Γ  \Delta Δ∆
    \Theta Θ  \Lambda Λ  \Xi Ξ  \Pi Π  \Sigma Σ  \Upsilon Υϒ  \Phi Φ  \Psi Ψ  \Omega Ω  \{ {
    \} }  | |∣  \langle ⟨  \rangle ⟩  \lfloor ⌊  \rfloor ⌋  \lceil ⌈  \rceil ⌉  \% %  \# #  \& &
    \$ $  \prime ′'  \cdots ⋯…  \ldots …  \vdots ⋮︙  \ddots ⋱  - −–-  \pm ±  \mp ∓  \times ×
    \div ÷  \cdot ·⋅∙  * *∗＊  \circ ∘°  \bullet •∙  \star ⋆☆  \oplus ⊕  \otimes ⊗  \odot ⊙
    \ominus ⊖  \cup ∪  \cap ∩  \setminus ∖\  \wedge ∧  \vee ∨  \neg ¬￢  \dagger †  \leq ≤≦⩽
    \geq ≥≧⩾  \neq ≠  \equiv ≡  \approx ≈  \sim ∼~  \simeq ≃  \cong ≅  \propto ∝  \perp ⊥
    \parallel ∥‖  \ll ≪  \gg ≫  \in ∈  \notin ∉  \ni ∋  \subset ⊂  \supset ⊃  \subseteq ⊆
    \supseteq ⊇  \sqsubseteq ⊑  \sqsupseteq ⊒  \subsetneq ⊊  \supsetneq ⊋  \prec ≺  \succ ≻
    \preceq ≼⪯  \succeq ≽⪰  \doteq ≐  \models ⊨  \vdash ⊢  \Vdash ⊩  \top ⊤  \rightarrow →
    \leftarrow ←  \leftrightarrow ↔  \Rightarrow ⇒  \Leftarrow ⇐  \Leftrightarrow ⇔  \mapsto ↦
    \hookrightarrow ↪  \rightleftharpoons ⇌⇄  \nearrow ↗  \searrow ↘  \uparrow ↑  \downarrow ↓
    \infty ∞  \partial ∂  \nabla ∇▽  \forall ∀  \exists ∃  \emptyset ∅Ø  \angle ∠  \triangle △
    \square □  \diamond ◇⋄  \varsigma ς  \hbar ℏħ  \ell ℓ  \aleph ℵא  \Re ℜ  \Im ℑ  \therefore ∴
    \because ∵  \mathbb{R} ℝ  \mathbb{N} ℕ  \mathbb{Z} ℤ  \mathbb{Q} ℚ  \mathbb{C} ℂ
    \mathbb{P} ℙ  \mathbb{E} 𝔼  \sum ∑Σ  \prod ∏Π  \coprod ∐  \int ∫  \oint ∮  \bigoplus ⨁⊕
    \bigotimes ⨂⊗  \bigwedge ⋀∧  \bigvee ⋁∨  \bigcup ⋃∪  \bigcap ⋂∩  \sqrt √  \hat ˆ^  \bar ¯ˉ
    \vec →  \tilde ˜~  \dot ˙  \ddot ¨
""".split()

CHARACTERS: Final[Mapping[str, str]] = {
    **{sign: sign for sign in _ITSELF},
    **dict(zip(_WORDS[::2], _WORDS[1::2], strict=True)),
    # Characters that look the same in print, by number.
    r"\langle": "⟨\u2329\u3008",
    r"\rangle": "⟩\u232a\u3009",
    r"\Omega": "Ω\u2126",
    UNKNOWN_MARK: _OTHER_SCRIPTS,
}
"""Token -> its characters, the likeliest form first; each is one Unicode character.

Accents are drawn in their own size, since their place comes from what they stand on."""

DRAWN_WITH_LENGTH: Final[frozenset[str]] = frozenset(
    {
        *(r"\frac", r"\binom", r"\overline", r"\underline", r"\overbrace", r"\underbrace"),
        *(r"\xrightarrow", r"\xleftarrow", r"\not"),
    }
)
"""Tokens whose ink is a bar, parentheses, a brace or an arrow of a length that the layout gives."""

CENTRED_CHARACTERS: Final[frozenset[str]] = frozenset("*＊°~")
"""Characters that fonts raise, while the token stands on the axis, at the height of a minus."""

GROUPS: Final[tuple[str, ...]] = (
    "letters", "capitals", "digits", "punctuation", "greek", "greek capitals", "latin-1", "signs",
    "other scripts",
)  # fmt: skip
"""Classes of characters; a font may have some drawn by hand and some not."""


def character_group(character: str) -> str:
    """The class of a character, one of `GROUPS`."""
    if character in _OTHER_SCRIPTS:
        return "other scripts"
    if character.isascii():
        if character.isalpha():
            return "capitals" if character.isupper() else "letters"
        return "digits" if character.isdigit() else "punctuation"
    if "\u0370" <= character <= "\u03ff" or character in "∆\u2126":
        return "greek capitals" if character.isupper() or character in "∆" else "greek"
    return "latin-1" if ord(character) <= 0xFF else "signs"


def visible_tokens() -> tuple[str, ...]:
    r"""All tokens that are one symbol with a shape of its own.

    Returns:
        Those of the vocabulary in its order, less marks of structure, function names, bars of any
        length and `\mathbb`, then those of `CHARACTERS` that the vocabulary lacks.
    """
    without = {*STRUCTURAL_TOKENS, *SPECIAL_TOKENS, *FUNCTIONS, UNKNOWN_MARK}
    known = [one for one in VOCABULARY if one not in without and one not in DRAWN_WITH_LENGTH]
    return (*known, *(one for one in CHARACTERS if one not in VOCABULARY))


assert not set(CHARACTERS) & set(ALIASES)
