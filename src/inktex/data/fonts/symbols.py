r"""Which characters of a font stand for which token of the vocabulary.

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

__all__ = [
    "CENTRED_CHARACTERS",
    "CHARACTERS",
    "DRAWN_WITH_LENGTH",
    "GROUPS",
    "character_group",
    "looks_alike",
    "visible_tokens",
]

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

CHARACTERS: Final[Mapping[str, str]] = {
    **{sign: sign for sign in _ITSELF},
    # Greek
    r"\alpha": "α",
    r"\beta": "β",
    r"\gamma": "γ",
    r"\delta": "δ",
    r"\epsilon": "ϵε",
    r"\varepsilon": "ε",
    r"\zeta": "ζ",
    r"\eta": "η",
    r"\theta": "θ",
    r"\vartheta": "ϑ",
    r"\iota": "ι",
    r"\kappa": "κ",
    r"\lambda": "λ",
    r"\mu": "μµ",
    r"\nu": "ν",
    r"\xi": "ξ",
    r"\pi": "π",
    r"\rho": "ρ",
    r"\sigma": "σ",
    r"\tau": "τ",
    r"\upsilon": "υ",
    r"\phi": "φϕ",
    r"\varphi": "φϕ",
    r"\chi": "χ",
    r"\psi": "ψ",
    r"\omega": "ω",
    r"\Gamma": "Γ",
    r"\Delta": "Δ∆",
    r"\Theta": "Θ",
    r"\Lambda": "Λ",
    r"\Xi": "Ξ",
    r"\Pi": "Π",
    r"\Sigma": "Σ",
    r"\Upsilon": "Υϒ",
    r"\Phi": "Φ",
    r"\Psi": "Ψ",
    r"\Omega": "Ω\u2126",
    # delimiters and punctuation
    r"\{": "{",
    r"\}": "}",
    "|": "|∣",
    r"\langle": "⟨\u2329\u3008",
    r"\rangle": "⟩\u232a\u3009",
    r"\lfloor": "⌊",
    r"\rfloor": "⌋",
    r"\lceil": "⌈",
    r"\rceil": "⌉",
    r"\%": "%",
    r"\#": "#",
    r"\&": "&",
    r"\$": "$",
    r"\prime": "′'",
    r"\cdots": "⋯…",
    r"\ldots": "…",
    r"\vdots": "⋮︙",
    r"\ddots": "⋱",
    # binary operators
    "-": "−–-",
    r"\pm": "±",
    r"\mp": "∓",
    r"\times": "×",
    r"\div": "÷",
    r"\cdot": "·⋅∙",
    "*": "*∗＊",
    r"\circ": "∘°",
    r"\bullet": "•∙",
    r"\star": "⋆☆",
    r"\oplus": "⊕",
    r"\otimes": "⊗",
    r"\odot": "⊙",
    r"\ominus": "⊖",
    r"\cup": "∪",
    r"\cap": "∩",
    r"\setminus": "∖\\",
    r"\wedge": "∧",
    r"\vee": "∨",
    r"\neg": "¬￢",
    r"\dagger": "†",
    # relations
    r"\leq": "≤≦⩽",
    r"\geq": "≥≧⩾",
    r"\neq": "≠",
    r"\equiv": "≡",
    r"\approx": "≈",
    r"\sim": "∼~",
    r"\simeq": "≃",
    r"\cong": "≅",
    r"\propto": "∝",
    r"\perp": "⊥",
    r"\parallel": "∥‖",
    r"\ll": "≪",
    r"\gg": "≫",
    r"\in": "∈",
    r"\notin": "∉",
    r"\ni": "∋",
    r"\subset": "⊂",
    r"\supset": "⊃",
    r"\subseteq": "⊆",
    r"\supseteq": "⊇",
    r"\sqsubseteq": "⊑",
    r"\sqsupseteq": "⊒",
    r"\subsetneq": "⊊",
    r"\supsetneq": "⊋",
    r"\prec": "≺",
    r"\succ": "≻",
    r"\preceq": "≼⪯",
    r"\succeq": "≽⪰",
    r"\doteq": "≐",
    r"\models": "⊨",
    r"\vdash": "⊢",
    r"\Vdash": "⊩",
    r"\top": "⊤",
    # arrows
    r"\rightarrow": "→",
    r"\leftarrow": "←",
    r"\leftrightarrow": "↔",
    r"\Rightarrow": "⇒",
    r"\Leftarrow": "⇐",
    r"\Leftrightarrow": "⇔",
    r"\mapsto": "↦",
    r"\hookrightarrow": "↪",
    r"\rightleftharpoons": "⇌⇄",
    r"\nearrow": "↗",
    r"\searrow": "↘",
    r"\uparrow": "↑",
    r"\downarrow": "↓",
    # letterlike
    r"\infty": "∞",
    r"\partial": "∂",
    r"\nabla": "∇▽",
    r"\forall": "∀",
    r"\exists": "∃",
    r"\emptyset": "∅Ø",
    r"\angle": "∠",
    r"\triangle": "△",
    r"\square": "□",
    r"\diamond": "◇⋄",
    r"\varsigma": "ς",
    r"\hbar": "ℏħ",
    r"\ell": "ℓ",
    r"\aleph": "ℵא",
    r"\Re": "ℜ",
    r"\Im": "ℑ",
    r"\therefore": "∴",
    r"\because": "∵",
    r"\mathbb{R}": "ℝ",
    r"\mathbb{N}": "ℕ",
    r"\mathbb{Z}": "ℤ",
    r"\mathbb{Q}": "ℚ",
    r"\mathbb{C}": "ℂ",
    r"\mathbb{P}": "ℙ",
    r"\mathbb{E}": "𝔼",
    # big operators
    r"\sum": "∑Σ",
    r"\prod": "∏Π",
    r"\coprod": "∐",
    r"\int": "∫",
    r"\oint": "∮",
    r"\bigoplus": "⨁⊕",
    r"\bigotimes": "⨂⊗",
    r"\bigwedge": "⋀∧",
    r"\bigvee": "⋁∨",
    r"\bigcup": "⋃∪",
    r"\bigcap": "⋂∩",
    r"\sqrt": "√",
    # accents, of their own size: what they stand on gives their place
    r"\hat": "ˆ^",
    r"\bar": "¯ˉ",
    r"\vec": "→",
    r"\tilde": "˜~",
    r"\dot": "˙",
    r"\ddot": "¨",
    # what is no symbol
    UNKNOWN_MARK: _OTHER_SCRIPTS,
}
"""Token -> its characters, the likeliest form first; each is one Unicode character."""

DRAWN_WITH_LENGTH: Final[frozenset[str]] = frozenset(
    {
        *(r"\frac", r"\binom", r"\overline", r"\underline", r"\overbrace", r"\underbrace"),
        *(r"\xrightarrow", r"\xleftarrow", r"\not"),
    }
)
"""Tokens whose ink is a bar, parentheses, a brace or an arrow of a length that the layout gives."""

CENTRED_CHARACTERS: Final[frozenset[str]] = frozenset("*＊°~")
"""Characters that fonts raise, while the token stands on the axis, at the height of a minus."""

_ALIKE: Final[tuple[str, ...]] = (
    "0OoΟο∘°○",
    "Il1|∣ι/",
    "Δ∆△",
    "Σ∑",
    "Π∏ΠП",
    "Ω\u2126",
    "Λ∧^ˆ",
    "V∨vν",
    "U∪u⋃",
    "∩⋂",
    "μµu",
    "κKk",
    "Γ⌈",
    "Xxχ×",
    "Ee3",
    "ϵε∈",
    "φϕΦ",
    "∅Ø",
    "ħℏ",
    "−–-¯ˉ",
    "~∼˜",
    ".·⋅∙•●˙",
    "′'",
    "…⋯",
    "∥‖",
    "⟨\u2329\u3008<",
    "⟩\u232a\u3009>",
    "pρ",
    "aα",
    "ωw",
    "▽∇",
    "*∗＊⋆",
    "ςc",
    "≺<",
    "≻>",
    "⊕⨁",
    "⊗⨂",
    "◇⋄",
    "∖\\",
    "¬￢",
    "⊥⊤",
    "≤≦⩽",
    "≥≧⩾",
    "ΥYϒ",
    "yγ",
    "υuv",
    "τT",
)
"""Characters that one writer may draw the same, although their tokens differ."""

GROUPS: Final[tuple[str, ...]] = (
    "letters",
    "capitals",
    "digits",
    "punctuation",
    "greek",
    "greek capitals",
    "latin-1",
    "signs",
    "other scripts",
)
"""Classes of characters, as a font has them drawn by hand or not."""


def character_group(character: str) -> str:
    """The class of a character, one of `GROUPS`.

    Args:
        character: one Unicode character.
    """
    if character in _OTHER_SCRIPTS:
        return "other scripts"
    if character.isascii():
        if character.isalpha():
            return "capitals" if character.isupper() else "letters"
        return "digits" if character.isdigit() else "punctuation"
    if "\u0370" <= character <= "\u03ff" or character in "∆\u2126":
        return "greek capitals" if character.isupper() or character in "∆" else "greek"
    return "latin-1" if ord(character) <= 0xFF else "signs"


def looks_alike(first: str, second: str) -> bool:
    """Whether one writer may draw two characters the same.

    Args:
        first: one Unicode character.
        second: another one.
    """
    if first.lower() == second.lower():
        return True
    return any(first in group and second in group for group in _ALIKE)


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
