"""`python -m inktex.cli` is the `inktex` command."""

import sys

from . import main

sys.exit(main())
