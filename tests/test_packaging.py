"""Sdist and wheel hold what they should and nothing else."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from inktex import __version__

SOURCE_FOLDERS = (
    "src",
    "modeling",
    "tokenizer",
    "tests",
    "scripts",
    "spaces_app",
    "requirements",
    "docs",
)
SOURCE_FILES = (
    "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "Makefile", "constraints.txt",
    "README.md", "LICENSE", "NOTICE", "CITATION.cff",
)  # fmt: skip
PACKAGE_FOLDERS = {"modeling": "inktex/modeling", "tokenizer": "inktex/tokenizer"}
"""Folders at the top that are mapped into the package."""

FOREIGN = re.compile(
    r"crohme.*\.(zip|tsv|inkml|bmp)|captions_|(^|/)(runs|checkpoints)/|^data/|tfevents"
    r"|\.py[co]$|__pycache__|\.ckpt$|\.pt$|\.bin$",
    re.IGNORECASE,
)
"""Data of others, training runs and left-overs: nothing of these may be published."""


@pytest.fixture(scope="module")
def distributions(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a fresh sdist and the wheel that is built out of it."""
    # A copy, since setuptools leaves build/ behind and a stale one leaks into wheels.
    checkout = tmp_path_factory.mktemp("checkout")
    for name in SOURCE_FOLDERS:
        if (repository / name).is_dir():
            shutil.copytree(
                repository / name,
                checkout / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
            )
    for name in SOURCE_FILES:
        shutil.copy(repository / name, checkout / name)
    # Left-overs that a working checkout has and a release must not have.
    for stray in ("runs/first/model.pt", "data/TrainINKML.zip", "src/inktex/__pycache__/a.pyc"):
        (checkout / stray).parent.mkdir(parents=True, exist_ok=True)
        (checkout / stray).write_bytes(b"stray")

    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, checkout],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def wheel_names(distributions: Path) -> set[str]:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist_names(distributions: Path) -> set[str]:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = [member.name for member in archive.getmembers() if member.isfile()]
    return {name.split("/", 1)[1] for name in members}


def _package_files(repository: Path) -> dict[Path, str]:
    """Map each file of the package in the checkout to its name in the wheel."""
    roots = {repository / "src" / "inktex": "inktex"} | {
        repository / name: target for name, target in PACKAGE_FOLDERS.items()
    }
    return {
        path: f"{target}/{path.relative_to(root).as_posix()}"
        for root, target in roots.items()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_the_whole_package_and_nothing_else(
    repository: Path, wheel_names: set[str]
) -> None:
    package = {name for name in wheel_names if ".dist-info/" not in name}
    assert package == set(_package_files(repository).values())


def test_wheel_holds_what_is_needed_offline(repository: Path, wheel_names: set[str]) -> None:
    needed = {
        "inktex/py.typed",
        "inktex/tokenizer/tokenizer.json",
        "inktex/tokenizer/tokenizer_config.json",
        "inktex/tokenizer/vocabulary_inktex.py",
        "inktex/modeling/__init__.py",
    }
    assert needed <= wheel_names
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)
    assert any(name.endswith("licenses/NOTICE") for name in wheel_names)
    pretrained = repository / "src" / "inktex" / "pretrained"
    if pretrained.is_dir():
        assert "inktex/pretrained/model.safetensors" in wheel_names
        assert "inktex/pretrained/config.json" in wheel_names


def test_sdist_holds_all_that_a_build_and_its_tests_need(
    repository: Path, sdist_names: set[str]
) -> None:
    files = [*_package_files(repository), *(repository / "tests").glob("*.py")]
    # The code beside the weights is put there by the build.
    needed = {
        path.relative_to(repository).as_posix()
        for path in files
        if not (path.parent.name == "pretrained" and path.suffix == ".py")
    }
    assert needed | {*SOURCE_FILES, "requirements/light.txt"} <= sdist_names


def test_nothing_foreign_is_published(wheel_names: set[str], sdist_names: set[str]) -> None:
    assert [name for name in sorted(wheel_names | sdist_names) if FOREIGN.search(name)] == []


def test_metadata(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    assert wheel.name == f"inktex-{__version__}-py3-none-any.whl"
    information = f"inktex-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"{information}/METADATA").decode()
        entry_points = archive.read(f"{information}/entry_points.txt").decode()
    assert "Requires-Python: >=3.11" in metadata
    licence = r"^License(-Expression)?: Apache-2\.0 AND CC-BY-NC-SA-3\.0$"
    assert re.search(licence, metadata, re.MULTILINE)
    assert "Requires-Dist: transformers<6,>=5.19" in metadata
    assert "inktex = inktex.cli:main" in entry_points


def test_wheel_works_without_the_checkout(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, 'site');"
        "import inktex, inktex.evaluation; inktex.register();"
        "from transformers import AutoTokenizer;"
        "assert 'site' in inktex.__file__, inktex.__file__;"
        "tokenizer = AutoTokenizer.from_pretrained('site/inktex/tokenizer');"
        "print(tokenizer('x^2').input_ids)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[3, ")


def test_every_package_is_listed(repository: Path) -> None:
    configuration = configparser.ConfigParser()
    configuration.read(repository / "setup.cfg")
    listed = set(configuration["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(repository / "src").parts)
        for path in (repository / "src").rglob("__init__.py")
    } | {"inktex.modeling", "inktex.tokenizer"}
    assert listed == found


def test_citation_names_the_version(repository: Path) -> None:
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation


def test_constraints_pin_every_dependency(repository: Path) -> None:
    configuration = configparser.ConfigParser()
    configuration.read(repository / "setup.cfg")
    requirements = configuration["options"]["install_requires"] + "\n".join(
        configuration["options.extras_require"].values()
    )
    text = (repository / "constraints.txt").read_text(encoding="utf-8").lower()
    pinned = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    required = {
        re.split(r"[<>=]", line)[0].strip().lower()
        for line in requirements.split("\n")
        if line and not line.startswith("inktex[")
    }
    assert required <= pinned


def test_the_oldest_versions_are_those_that_are_tested(repository: Path) -> None:
    tested = re.search(
        r"^OLDEST := ((?:.*\\\n)*.*)$", (repository / "Makefile").read_text(), re.MULTILINE
    )
    assert tested is not None
    versions = dict(one.split("==") for one in tested[1].replace("\\", "").split())
    setup = (repository / "setup.cfg").read_text()
    for package, version in versions.items():
        bound = re.search(rf"^    {package}>=([\d.]+)", setup, re.MULTILINE)
        assert bound is not None, package
        lowest, oldest = (tuple(map(int, one.split("."))) for one in (bound[1], version))
        assert oldest[: len(lowest)] == lowest, package
        assert not any(oldest[len(lowest) :]), f"{package} {version} is not the oldest"


def test_what_an_index_shows_needs_no_checkout(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"inktex-{__version__}.dist-info/METADATA").decode()
    text = metadata.partition("\n\n")[2]
    assert text.startswith("# inktex")
    assert "CC BY-NC-SA" in text
    targets = re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text)
    assert [one for pair in targets for one in pair if one and "://" not in one] == []
