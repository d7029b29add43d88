"""The development split of CROHME's training ink, and the writers of expressions."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

DEVELOPMENT_SHARE = 0.05


def development_ids(names: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """(id, source) of the expressions that are held out of training, for choosing models.

    Of each source they are the 5 % (rounded) whose ids have the smallest SHA-1, so that the split
    depends on the names of the files alone. Writers are not kept apart: most of those in the
    development split have other expressions in training (`scripts/prepare_crohme.py --report`).

    Args:
        names: (id, source) of all training files, in any order.
    """
    by_source: dict[str, set[str]] = defaultdict(set)
    for identity, source in names:
        by_source[source].add(identity)
    chosen: set[tuple[str, str]] = set()
    for source, ids in by_source.items():
        ordered = sorted(ids, key=lambda name: hashlib.sha1(name.encode()).hexdigest())
        count = round(DEVELOPMENT_SHARE * len(ordered))
        chosen.update((identity, source) for identity in ordered[:count])
    return frozenset(chosen)


_WRITERS = {
    "expressmatch": re.compile(r"\d+_(?P<writer>.+)"),  # 101_alfonso: formula, writer
    "HAMEX": re.compile(r"(?P<writer>formulaire\d+)-"),  # one form, one writer
    "KAIST": re.compile(r"(?P<writer>[A-Za-z]+\d+[A-Za-z]*\d*_\d+)_sub_"),  # KME1G3_0_sub_10
    "MathBrush": re.compile(r"(?P<writer>\d+-\d+)-"),  # 200923-1553-131: day and time
    "extension": re.compile(r"(?P<writer>\d+_em|form\d+)"),
}


def writer(identity: str, source: str) -> str | None:
    """The writer of an expression, from its name; None where the name does not show it."""
    pattern = _WRITERS.get(source)
    found = pattern.match(identity) if pattern else None
    return found["writer"] if found else None
