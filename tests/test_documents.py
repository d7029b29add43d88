"""Documents: links and files that they name exist, and their commands are accepted."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inktex.cli import COMMANDS
from inktex.training.recipe import load_recipe, recipe_path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "spaces_app" / "README.md",
        ROOT / "spaces_app" / "browser" / "README.md",
        ROOT / "spaces_app" / "browser" / "reader" / "README.md",
        ROOT / "src" / "inktex" / "pretrained" / "README.md",
    ]
)
WITH_OLD_NAMES = {"CHANGELOG.md", "experiments.md", "experiments-appendix.md"}
"""Documents that name commands and files of earlier versions."""
CURRENT = [path for path in DOCUMENTS if path.name not in WITH_OLD_NAMES]
FOLDERS = ("docs", "modeling", "notebooks", "requirements", "scripts", "spaces_app", "src",
           "tests", "tokenizer", ".ci")  # fmt: skip
SAME_AS = {"train": "train", "transcribe": "transcribe"}
"""Scripts that do the same as a command."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """Anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def commands(text: str) -> Iterator[str]:
    """Command lines in code blocks and in inline code, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    without_blocks = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    inline = [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", without_blocks)]
    for block in [*blocks, *inline]:
        for line in block.replace("\\\n", " ").splitlines():
            yield from line.partition(" #")[0].split("&&")


def options_of(command: str) -> set[str]:
    module = importlib.import_module(COMMANDS[command][0])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return set(parser._option_string_actions)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    for target in (one for pair in targets for one in pair if one):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), f"{name_of(path)} links to {target}"
        if anchor:
            assert anchor in anchors(linked.read_text(encoding="utf-8")), (
                f"{name_of(path)} links to {target}, and there is no such heading"
            )


@pytest.mark.parametrize("path", CURRENT, ids=name_of)
def test_files_that_are_named_exist(path: Path) -> None:
    text = re.sub(r"https?://\S+", "", path.read_text(encoding="utf-8"))
    top = "|".join(re.escape(folder) for folder in FOLDERS)
    for named in re.findall(rf"(?<![\w./-])((?:{top})/[\w./-]*\w)", text):
        assert (ROOT / named).exists(), f"{name_of(path)} names {named}"
    rooms = [ROOT / "src" / "inktex", ROOT / "modeling", ROOT / "tokenizer", ROOT]
    for named in re.findall(r"`((?:\w+/)*\w+\.(?:py|yaml|cfg|toml))`", text):
        found = any((room / named).exists() for room in rooms) or (
            "/" not in named and any(any(room.rglob(named)) for room in rooms[:3])
        )
        assert found or named.startswith("my"), f"{name_of(path)} names {named}"


def test_documents_that_the_sources_name_exist() -> None:
    files = [
        path
        for folder in ("src", "scripts", "modeling", "tokenizer", "spaces_app", "notebooks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".ipynb", ".yaml", ".html", ".js")
    ]
    for path in [*files, ROOT / "setup.cfg", ROOT / "Makefile", ROOT / "MANIFEST.in"]:
        for named in re.findall(r"docs/[\w-]+\.\w+", path.read_text(encoding="utf-8")):
            assert (ROOT / named).exists(), f"{name_of(path)} names {named}"


@pytest.mark.parametrize("path", CURRENT, ids=name_of)
def test_commands_and_their_options_exist(path: Path) -> None:
    for line in commands(path.read_text(encoding="utf-8")):
        where = f"{name_of(path)}: {line}"
        script = re.search(r"scripts/(\w+)\.py\b(.*)", line)
        # "inktex recognize" and "inktex train | evaluate", but not "import inktex".
        command = re.search(r"(?:^\s*|-m |^[A-Z_]+=\S+ )inktex ([a-z]+)\b(.*)", line)
        if command:
            assert command[1] in COMMANDS, where
            assert set(OPTION.findall(command[2])) <= options_of(command[1]), where
        elif script and script[1] in SAME_AS:
            assert set(OPTION.findall(script[2])) <= options_of(SAME_AS[script[1]]), where
        elif script:
            source = (ROOT / "scripts" / f"{script[1]}.py").read_text(encoding="utf-8")
            for option in OPTION.findall(script[2]):
                assert f'"{option}"' in source, where
        for target in re.findall(r"^\s*make ([a-z ]+)$", line.rstrip()):
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            for one in target.split():
                assert re.search(rf"^{one}(?: \w+)*:|^lint {one}:", makefile, re.MULTILINE), where


@pytest.mark.parametrize("path", CURRENT, ids=name_of)
def test_recipes_and_their_fields_exist(path: Path) -> None:
    for line in commands(path.read_text(encoding="utf-8")):
        found = re.search(r"inktex train ([a-z_]+)(?!\S)(.*)", line)
        if found:
            load_recipe(recipe_path(found[1]), re.findall(r"--set (\S+=[^\s]+)", found[2]))


def test_the_example_of_readme_prints_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example is not None
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example[1], {})
    assert printed.getvalue().strip() == example[1].rpartition("# ")[2].strip()


def test_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90
