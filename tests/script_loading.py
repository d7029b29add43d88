"""The scripts as modules: they are no package, and are not imported by name."""

import importlib.util
from pathlib import Path
from types import ModuleType


def load_script(repository: Path, name: str) -> ModuleType:
    """A fresh module of `scripts/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, repository / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
