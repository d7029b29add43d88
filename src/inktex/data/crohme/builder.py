"""CROHME as a Hugging Face data set, read from the competition's own files.

    from inktex.data.crohme import Crohme
    builder = Crohme("2014", data_dir="/path/to/crohme")
    builder.download_and_prepare()
    train = builder.as_dataset(split="train")
    stream = builder.as_streaming_dataset(split="dev")      # without preparing anything

The data are not part of inktex; without them the error says where they are to be had. Licence of
the data: CC BY-NC-SA 3.0.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

from ...extras import require
from ...ink.alignment import expression
from ...ink.inkml import InkMLError, read_inkml
from .card import CITATION, DESCRIPTION, LICENSE
from .files import PARTS, Entry, Part, entries, find, in_folder, names
from .split import development_ids

require("train", "CROHME as a data set", "datasets")
import datasets  # noqa: E402

from ..rows import FEATURES, row  # noqa: E402

logger = logging.getLogger(__name__)

ENVIRONMENT = "INKTEX_CROHME"
"""Environment variable that names the data's folder where no argument does."""
VERSION = "1.0.0"
"""Of the rows: a change of captions, alignment or pictures needs a new one for caches to notice."""


def rows(found: Iterable[Entry], split: str = "") -> Iterator[dict[str, Any]]:
    """Rows of InkML files; at the end a warning names those that cannot be read."""
    broken: list[str] = []
    total = 0
    for entry in found:
        total += 1
        file = io.BytesIO(entry.content)
        file.name = f"{entry.id}.inkml"
        try:
            values = row(expression(read_inkml(file), entry.source))
        except (InkMLError, ValueError) as error:
            broken.append(str(error) if entry.id in str(error) else f"{entry.id}: {error}")
            continue
        yield values
    if broken:
        logger.warning(
            "%s: %d of %d files cannot be read and are left out: %s",
            split or "CROHME", len(broken), total, "; ".join(broken),
        )  # fmt: skip


def wanted(place: Path, part: Part, split: str) -> frozenset[tuple[str, str]] | None:
    """(id, source) of the files of a split, or None where it has all files of its part."""
    if not part.divided:
        return None
    every = names(place, part)
    development = development_ids(every)
    return development if split == "dev" else frozenset(every) - development


class Crohme(datasets.GeneratorBasedBuilder):
    """Builder of CROHME 2011 to 2019 with the splits `train`, `dev` and `test`.

    2014 and 2016 have the same training ink; `dev` is 5 % of it (see `development_ids`). 2011, 2012
    and 2013 have only `test`, the ink that they add to it. For 2019 `dev` is the competition's own
    validation ink. A split whose files are not there is left out, as long as there is one.

    Args:
        data_dir: folder with the official zips, or with what they unpack to. The environment
            variable `INKTEX_CROHME` stands in for it.
        arguments, options: see `datasets.GeneratorBasedBuilder`.
    """

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[datasets.BuilderConfig]] = [
        datasets.BuilderConfig(name=year, version=VERSION, description=f"CROHME {year}")
        for year in PARTS
    ]
    DEFAULT_CONFIG_NAME = "2014"

    def __init__(
        self,
        config_name: str | None = None,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        # The folder is part of the cache's key, so the variable has to be read here already.
        folder = data_dir or os.environ.get(ENVIRONMENT) or None
        options.pop("dataset_name", None)
        super().__init__(
            config_name=config_name,
            dataset_name="crohme",
            data_dir=str(Path(folder).expanduser().resolve()) if folder else None,
            **options,
        )

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=DESCRIPTION,
            citation=CITATION,
            license=LICENSE,
            homepage="https://tc11.cvc.uab.es/datasets/ICFHR-CROHME-2016_1",
            features=FEATURES,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        year = self.config.name
        generators = []
        missing: FileNotFoundError | None = None
        for split in PARTS[year]:
            try:
                place = find(self.config.data_dir, year, split)
            except FileNotFoundError as error:
                missing = missing or error
                continue
            part = PARTS[year][split]
            archive = None if place.is_dir() else dl_manager.iter_archive(str(place))
            arguments = {"place": str(place), "archive": archive, "split": split}
            if archive is None or names(place, part):
                generators.append(datasets.SplitGenerator(name=split, gen_kwargs=arguments))
        if not generators:
            raise missing or FileNotFoundError(
                f"The CROHME {year} archives in {self.config.data_dir} hold no InkML file."
            )
        return generators

    def _generate_examples(
        self, place: str, archive: Iterable[tuple[str, IO[bytes]]] | None, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        part = PARTS[self.config.name][split]
        files = in_folder(Path(place), part) if archive is None else archive
        found = entries(files, part, wanted(Path(place), part, split))
        for values in rows(found, split):
            yield f"{values['source']}/{values['id']}", values
