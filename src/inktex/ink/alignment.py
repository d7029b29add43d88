"""The symbol of each token of a caption.

The caption comes from the raw LaTeX of the file. The file's MathML holds the same expression, and
its elements carry the ids that the symbols link to. So the MathML is converted to the same
canonical tokens, each with its ids, the two sequences are matched, and each token takes the symbol
that links to its id. Labels are only compared afterwards: annotators err in labels more often than
in links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..tokenizer.latex_inktex import LatexError, parse
from ..tokenizer.latex_tree_inktex import Emitted, emit, emit_marked
from .mathml import mathml_marked
from .types import Expression, Ink, PlacedSymbol, Symbol

LEVELS = ("strict", "spelling", "merge", "sequence", "label", "none")
r"""How a caption was aligned, from the most to the least certain.

- `strict`: MathML and caption have the same written tokens in the same order, one symbol each;
- `spelling`: the same but for signs that differ in height only (`.` and `\cdot`, `\ldots`
  and `\cdots`), or for the order of a root's index and radicand;
- `merge`: besides, several symbols make one token (`. . .` is `\cdots`, `t g` is `\tan`);
- `sequence`: longest common subsequence of the two, covering the whole caption;
- `label`: besides, a left-over token took the only left-over symbol with its label;
- `none`: not aligned.
"""

# Signs that look alike, for comparing.
_LOOKS = {"\\cdot": ".", "\\cdots": "\\ldots", "\\lt": "<", "\\gt": ">", "\\frac": "-"}
# What a token is when it is written as several signs.
_SPELLED: dict[str, tuple[tuple[str, ...], ...]] = {
    "\\ldots": ((".", ".", "."),),
    "\\tan": (("t", "g"), ("t", "a", "n")),
    **{
        f"\\{name}": (tuple(name),)
        for name in ("sin", "cos", "log", "lim", "ln", "exp", "max", "min", "cot", "sec")
    },
}


@dataclass(frozen=True, slots=True)
class Alignment:
    """Tokens with their symbols.

    Attributes:
        indices: for each token the index in `symbols`, or -1 for tokens without ink. All -1 where
            `level` is `none`.
        symbols: the ink's symbols that have traces, merged where several make one token.
        level: one of `LEVELS`.
        reason: why there is no alignment; empty if there is one.
    """

    indices: list[int]
    symbols: list[Symbol]
    level: str
    reason: str = ""


class _UnalignedError(Exception):
    """A level of alignment failed; the message is the reason."""


def align(ink: Ink, tokens: Sequence[str]) -> Alignment:
    """Assign the symbols of ink to the tokens of its caption.

    Args:
        ink: ink with symbols and MathML.
        tokens: canonical tokens, as `normalize` gives them.

    Returns:
        The alignment, with level `none` and a reason if there is none.

    Raises:
        ValueError: if `tokens` are not canonical.
    """
    written = emit_marked(parse(" ".join(tokens)))
    if [emitted.token for emitted in written] != list(tokens):
        raise ValueError(f"not canonical tokens: {' '.join(tokens)}")
    places = [place for place, emitted in enumerate(written) if emitted.ink]
    caption_signs = [tokens[place] for place in places]
    reason = "the ink has no MathML"
    if not ink.symbols:
        reason = "the ink has no symbols"
    elif ink.mathml is not None:
        routes = [
            [emitted for emitted in mathml_marked(ink.mathml, swap_roots=swap) if emitted.ink]
            for swap in (False, True)
        ]
        try:
            level, groups = _strictest(ink, caption_signs, routes)
        except _UnalignedError as error:
            reason = str(error)
        else:
            return _alignment(ink, list(tokens), places, groups, level)
    filled = [symbol for symbol in ink.symbols if symbol.traces]
    return Alignment([-1] * len(tokens), filled, "none", reason)


_Groups = list[tuple[int, ...]]  # for each written token the indices of its symbols in the ink


def _strictest(ink: Ink, signs: list[str], routes: list[list[Emitted]]) -> tuple[str, _Groups]:
    """The strictest level that assigns a symbol to every sign, and the symbols of each sign."""
    plain = routes[0]
    if [leaf.token for leaf in plain] == signs:
        try:
            return "strict", _tie(ink, [leaf.refs for leaf in plain], merge=False)
        except _UnalignedError:
            pass
    reasons: list[str] = []
    for merge, level in ((False, "spelling"), (True, "merge")):
        for route in routes:
            try:
                refs = _match(signs, route, merge)
                return level, _tie(ink, refs, merge=merge)
            except _UnalignedError as error:
                reasons.append(str(error))
    for route in routes:
        partial = _common(signs, route)
        if all(partial):
            try:
                return "sequence", _tie(ink, partial, merge=True)
            except _UnalignedError as error:
                reasons.append(str(error))
    return "label", _tie_left_over(ink, signs, _common(signs, plain), reasons[0])


def _match(signs: list[str], leaves: list[Emitted], merge: bool) -> list[tuple[str, ...]]:
    """Ids of each sign, where leaves and signs differ in spelling (and merges) alone."""
    refs: list[tuple[str, ...]] = []
    looks = [_look(leaf.token) for leaf in leaves]
    at = 0
    for sign in signs:
        look = _look(sign)
        if at < len(leaves) and looks[at] == look:
            refs.append(leaves[at].refs)
            at += 1
            continue
        for spelled in _SPELLED.get(look, ()) if merge else ():
            if tuple(looks[at : at + len(spelled)]) == spelled:
                run = leaves[at : at + len(spelled)]
                refs.append(tuple(ref for leaf in run for ref in leaf.refs))
                at += len(spelled)
                break
        else:
            have = leaves[at].token if at < len(leaves) else "the end"
            raise _UnalignedError(f"the MathML has {have} where the LaTeX has {sign}")
    if at < len(leaves):
        raise _UnalignedError(f"the MathML has {leaves[at].token} where the LaTeX has the end")
    return refs


def _look(token: str) -> str:
    return _LOOKS.get(token, token)


def _tie(ink: Ink, refs: list[tuple[str, ...]], *, merge: bool) -> _Groups:
    """Symbols of each sign by the ids that they link to, each used once."""
    by_node: dict[str, list[int]] = defaultdict(list)
    for number, symbol in enumerate(ink.symbols):
        if symbol.node is not None:
            by_node[symbol.node].append(number)
    used: set[int] = set()
    groups: _Groups = []
    for ids in refs:
        if not ids:
            raise _UnalignedError("a MathML element has no id")
        numbers: list[int] = []
        for ref in ids:
            linked = by_node.get(ref, [])
            if not linked:
                raise _UnalignedError(f"no symbol links to the MathML element {ref!r}")
            numbers += linked
        if len(numbers) > 1 and not merge:
            raise _UnalignedError(f"several symbols make up {ids!r}")
        if used.intersection(numbers):
            raise _UnalignedError(f"the id {ids[0]!r} occurs twice")
        if not any(ink.symbols[number].traces for number in numbers):
            raise _UnalignedError(f"the symbol of {ids[0]!r} has no traces")
        used.update(numbers)
        groups.append(tuple(numbers))
    return groups


def _common(signs: list[str], leaves: list[Emitted]) -> list[tuple[str, ...]]:
    """Ids along the longest common subsequence; an empty tuple for each sign outside it.

    There may be several such subsequences, which assign a sign to one or to the other of two equal
    leaves. A sign is left out if the earliest and the latest of them differ on it.
    """
    a, b = [_look(sign) for sign in signs], [_look(leaf.token) for leaf in leaves]
    front = _subsequence(a, b)
    back = _subsequence(a[::-1], b[::-1])
    refs: list[tuple[str, ...]] = []
    for i, j in enumerate(front):
        k = back[len(a) - 1 - i]
        agreed = j is not None and k is not None and j == len(b) - 1 - k
        refs.append(leaves[j].refs if agreed and j is not None else ())
    return refs


def _subsequence(a: list[str], b: list[str]) -> list[int | None]:
    """For each item of `a` its partner in `b` along one longest common subsequence."""
    rows, columns = len(a), len(b)
    length = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            length[i][j] = (
                length[i + 1][j + 1] + 1
                if a[i] == b[j]
                else max(length[i + 1][j], length[i][j + 1])
            )
    partners: list[int | None] = [None] * rows
    i = j = 0
    while i < rows and j < columns:
        if a[i] == b[j]:
            partners[i] = j
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return partners


def _tie_left_over(ink: Ink, signs: list[str], refs: list[tuple[str, ...]], reason: str) -> _Groups:
    """Assign by ids what the common subsequence has, and the rest by labels that are unambiguous.

    A label is unambiguous if exactly one sign and one symbol of it are left over.
    """
    groups: list[tuple[int, ...]] = []  # empty where nothing is tied yet
    used: set[int] = set()
    for ids in refs:
        try:
            (group,) = _tie(ink, [ids], merge=True)
        except _UnalignedError:
            groups.append(())
            continue
        if used.intersection(group):
            raise _UnalignedError(f"the id {ids[0]!r} occurs twice")
        used.update(group)
        groups.append(group)
    left: dict[str, list[int]] = defaultdict(list)
    for number, symbol in enumerate(ink.symbols):
        if number not in used and symbol.traces:
            left[_look(symbol.label)].append(number)
    missing = [_look(sign) for sign, group in zip(signs, groups, strict=True) if not group]
    for place, sign in enumerate(signs):
        if not groups[place]:
            symbols, count = left[_look(sign)], missing.count(_look(sign))
            if len(symbols) != 1 or count != 1:
                raise _UnalignedError(
                    f"{reason}; {count} x {sign} left over for {len(symbols)} such symbols"
                )
            groups[place] = (symbols[0],)
    return groups


def _alignment(
    ink: Ink, tokens: list[str], places: list[int], groups: _Groups, level: str
) -> Alignment:
    """Merge the symbols of each group and renumber them, in the order of the file."""
    owner: dict[int, int] = {}  # symbol -> written token
    for sign, group in enumerate(groups):
        for number in group:
            owner[number] = sign
    symbols: list[Symbol] = []
    place_of: dict[int, int] = {}  # written token -> merged symbol
    for number, symbol in enumerate(ink.symbols):
        sign = owner.get(number, -1)
        if sign in place_of:
            first = symbols[place_of[sign]]
            merged = tuple(sorted({*first.traces, *symbol.traces}))
            symbols[place_of[sign]] = replace(first, traces=merged)
        elif symbol.traces:
            if sign >= 0:
                place_of[sign] = len(symbols)
            symbols.append(symbol)
    indices = [-1] * len(tokens)
    for sign, (place, group) in enumerate(zip(places, groups, strict=True)):
        index = indices[place] = place_of[sign]
        if len(group) > 1:
            symbols[index] = replace(symbols[index], label=tokens[place])
    return Alignment(indices, symbols, level)


def caption(ink: Ink) -> list[str]:
    """The canonical tokens of the caption of a file; empty if it has none.

    They are those of the raw LaTeX. Those of the MathML are used where there is none, or where it
    holds `ABOVE` or `BELOW`, which a converter wrote for structures that it could not express.
    """
    truth = ink.truth or ""
    if truth and "ABOVE" not in truth and "BELOW" not in truth:
        try:
            return emit(parse(truth, lenient=True))
        except LatexError:
            pass
    if ink.mathml is None:
        return []
    return [emitted.token for emitted in mathml_marked(ink.mathml)]


def expression(ink: Ink, source: str = "") -> Expression:
    """Caption and alignment of one ink file.

    Args:
        ink: as `read_inkml` gives it.
        source: name of the collection, e.g. `KAIST`.

    Returns:
        The expression; `aligned` is false, with a reason, where a token with ink has no symbol or
        an ambiguous one.
    """
    tokens = caption(ink)
    if tokens:
        found = align(ink, tokens)
    else:
        filled = [symbol for symbol in ink.symbols if symbol.traces]
        found = Alignment([], filled, "none", "the file does not say what was written")
    return Expression(
        id=ink.id,
        source=source,
        traces=ink.traces,
        symbols=[PlacedSymbol(s.label, s.traces, ink.symbol_box(s)) for s in found.symbols],
        tokens=tokens,
        alignment=found.indices,
        truth=ink.truth,
        aligned=found.level != "none",
        level=found.level,
        reason=found.reason,
    )
