r"""The characters of the vocabulary's tokens in print, and what kind of MathML element each is."""

from __future__ import annotations

from typing import Final

from .vocabulary_inktex import BIG_OPERATORS, DELIMITER_PAIRS, UNKNOWN_MARK

__all__ = [
    "ACCENT_SIGNS",
    "DOUBLE_STRUCK",
    "IDENTIFIERS",
    "OPERATORS",
    "RELATIONS",
    "SIGNS",
    "SLASH",
    "UPRIGHT",
]

SLASH: Final = "\u0338"
"""Strikes out the character before it."""


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_LETTERS = _pairs(r"""
    \alpha α \beta β \gamma γ \delta δ \epsilon ϵ \varepsilon ε \zeta ζ \eta η \theta θ \vartheta ϑ
    \iota ι \kappa κ \lambda λ \mu μ \nu ν \xi ξ \pi π \rho ρ \sigma σ \varsigma ς \tau τ
    \upsilon υ \phi ϕ \varphi φ \chi χ \psi ψ \omega ω
    \partial ∂ \hbar ℏ \ell ℓ
""")
_UPRIGHT_LETTERS = _pairs(r"""
    \Gamma Γ \Delta Δ \Theta Θ \Lambda Λ \Xi Ξ \Pi Π \Sigma Σ \Upsilon Υ \Phi Φ \Psi Ψ \Omega Ω
    \infty ∞ \nabla ∇ \emptyset ∅ \aleph ℵ \Re ℜ \Im ℑ \angle ∠ \triangle △ \square □ \top ⊤
    \# # \& & \$ $ \% %
""") | {UNKNOWN_MARK: "⊠"}
_DELIMITERS = _pairs(r"""
    \{ { \} } \langle ⟨ \rangle ⟩ \lfloor ⌊ \rfloor ⌋ \lceil ⌈ \rceil ⌉
""")
_RELATIONS = _pairs(r"""
    \leq ≤ \geq ≥ \neq ≠ \equiv ≡ \approx ≈ \sim ∼ \simeq ≃ \cong ≅ \propto ∝ \perp ⊥ \ll ≪ \gg ≫
    \in ∈ \notin ∉ \ni ∋ \subset ⊂ \supset ⊃ \subseteq ⊆ \supseteq ⊇
    \rightarrow → \leftarrow ← \leftrightarrow ↔ \Rightarrow ⇒ \Leftarrow ⇐ \Leftrightarrow ⇔
    \mapsto ↦ \prec ≺ \succ ≻ \preceq ⪯ \succeq ⪰ \subsetneq ⊊ \supsetneq ⊋
    \sqsubseteq ⊑ \sqsupseteq ⊒ \vdash ⊢ \Vdash ⊩ \models ⊨ \doteq ≐ \hookrightarrow ↪
    \rightleftharpoons ⇌ \nearrow ↗ \searrow ↘
""")
_OTHER_OPERATORS = _pairs(r"""
    - − * ∗ \pm ± \mp ∓ \times × \div ÷ \cdot ⋅ \circ ∘ \bullet • \star ⋆ \oplus ⊕ \otimes ⊗
    \odot ⊙ \ominus ⊖ \cup ∪ \cap ∩ \setminus ∖ \wedge ∧ \vee ∨ \neg ¬ \dagger † \diamond ⋄
    \prime ′ \cdots ⋯ \ldots … \vdots ⋮ \ddots ⋱ \uparrow ↑ \downarrow ↓ \forall ∀ \exists ∃
    \therefore ∴ \because ∵
    \sum ∑ \prod ∏ \coprod ∐ \int ∫ \oint ∮ \bigcup ⋃ \bigcap ⋂ \bigoplus ⨁ \bigotimes ⨂
    \bigwedge ⋀ \bigvee ⋁
""") | {r"\not": SLASH}

SIGNS: Final[dict[str, str]] = {
    **_LETTERS,
    **_UPRIGHT_LETTERS,
    **_DELIMITERS,
    **_RELATIONS,
    **_OTHER_OPERATORS,
}
"""Token -> character, where they differ; functions are written by their names."""

UPRIGHT: Final = frozenset(_UPRIGHT_LETTERS)
"""Tokens that stand upright."""
IDENTIFIERS: Final = frozenset({*_LETTERS, *_UPRIGHT_LETTERS})
RELATIONS: Final = frozenset({*_RELATIONS, "=", "<", ">", ":"})
OPERATORS: Final = frozenset(
    {
        *_DELIMITERS, *_RELATIONS, *_OTHER_OPERATORS, *DELIMITER_PAIRS, *DELIMITER_PAIRS.values(),
        *BIG_OPERATORS, *"=<>:|/+,.!;?",
    }
)  # fmt: skip

ACCENT_SIGNS: Final[dict[str, tuple[str, str, bool]]] = {
    r"\hat": ("mover", "^", False),
    r"\bar": ("mover", "¯", False),
    r"\vec": ("mover", "→", False),
    r"\tilde": ("mover", "~", False),
    r"\dot": ("mover", "˙", False),
    r"\ddot": ("mover", "¨", False),
    r"\overline": ("mover", "‾", True),
    r"\underline": ("munder", "_", True),
    r"\overbrace": ("mover", "⏞", True),
    r"\underbrace": ("munder", "⏟", True),
}
"""Token -> element, character, and whether it stretches over a single symbol as well."""

DOUBLE_STRUCK: Final[dict[str, str]] = {
    **{chr(ord("A") + i): chr(0x1D538 + i) for i in range(26)},
    **_pairs("C ℂ H ℍ N ℕ P ℙ Q ℚ R ℝ Z ℤ"),
}
r"""Letter in `\mathbb` -> character."""
