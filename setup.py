"""Puts the model's code beside the shipped weights when the package is built or installed.

Then `from_pretrained(inktex.pretrained_path(), trust_remote_code=True)` works, and the folder can
be copied to where inktex is not installed. Everything else about the package is in setup.cfg.
"""

import runpy
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PRETRAINED = Path("inktex/pretrained")


class BuildWithCode(build_py):
    """Adds the travelling code to `inktex/pretrained`: copies in a wheel, links in a checkout."""

    def run(self) -> None:
        """Build, then add the code."""
        super().run()
        if self.editable_mode:  # what is left of files that are gone
            for link in (ROOT / "src" / PRETRAINED).glob("*.py"):
                link.unlink()
        repository = runpy.run_path(str(ROOT / "modeling" / "remote_code_inktex.py"))
        for source in repository["code_files"]():
            if self.editable_mode:
                self._link(source, ROOT / "src" / PRETRAINED / source.name)
            else:
                shutil.copyfile(source, Path(self.build_lib) / PRETRAINED / source.name)

    def _link(self, source: Path, target: Path) -> None:
        try:
            target.symlink_to(Path("../../..") / source.relative_to(ROOT))
        except OSError:  # Windows allows links to administrators alone; a copy can grow stale
            shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithCode})
