#!/usr/bin/env python
"""Build the page that reads in the browser, and open it on this machine.

    python scripts/build_browser.py                 # into build/browser
    python scripts/build_browser.py --serve 8000    # and give it out on http://127.0.0.1:8000

It needs Node 18 or later with npm, and `pip install 'inktex[export]'` unless --graph names a graph
that `inktex export --single` wrote. The folder can be copied to any web server.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from inktex.cli.arguments import positive
from inktex.onnx.files import PRECISIONS
from inktex.release.browser import build_browser, one_graph
from inktex.release.verification import file_names
from inktex.shipped import pretrained_path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "spaces_app/browser"
PACKAGES = ROOT / "build/npm"
"""Where npm's packages are installed."""


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line, builds, serves; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="folder of a model (default: the shipped one)")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8")
    parser.add_argument("--graph", type=Path, help="one-file graph to take instead of a model's")
    parser.add_argument("--output", type=Path, default=ROOT / "build/browser")
    parser.add_argument("--serve", type=positive, metavar="PORT", help="give the page out")
    options = parser.parse_args(arguments)
    graph = options.graph or one_graph(options.model or pretrained_path(), options.precision)
    folder = build_browser(SOURCE, options.output, graph, PACKAGES)
    names = file_names(folder)
    size = sum((folder / name).stat().st_size for name in names)
    print(f"{folder}: {len(names)} files, {size / 1e6:.1f} MB", flush=True)
    if options.serve:
        handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
        with ThreadingHTTPServer(("127.0.0.1", options.serve), handler) as server:
            print(f"http://127.0.0.1:{options.serve} (Ctrl+C ends it)", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.serve_forever()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"build_browser: {error}")
