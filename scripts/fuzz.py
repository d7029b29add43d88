#!/usr/bin/env python
"""Fuzzing: malformed input must neither crash inktex, nor hang it, nor exhaust memory.

    python scripts/fuzz.py                        # 20,000 cases, some minutes
    python scripts/fuzz.py --cases 400 --kind inkml --seed 3

Mutated files of pictures, arrays of any shape and type, InkML with foreign pieces in it, and LaTeX
of tokens in any order. A case fails if anything but ValueError or OSError with a message comes out
of it, if it takes longer than five seconds, or if memory grows by more than 1 GB. Failing cases
are written to --save. Each is drawn from its kind and its number, so that it can be made again.
Needs a Unix.
"""

import argparse
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from types import FrameType

from inktex.cli.arguments import natural, positive
from inktex.modeling.image_processing_inktex import InktexImageProcessor

TESTS = Path(__file__).resolve().parent.parent / "tests"
SECONDS = 5.0
"""Processor time that a case may take: wall time depends on what else runs."""
ROOM = 2**30
"""Bytes by which memory may grow."""


class OverTimeError(BaseException):
    """A case took too long. A BaseException, so that no part of inktex catches it."""


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line, runs the cases, prints; returns the exit status."""
    sys.path.append(str(TESTS))
    from fuzzing import KINDS, case, check, save_case

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=positive, default=20_000, help="in all (default 20000)")
    parser.add_argument("--kind", choices=tuple(KINDS), action="append", help="only these kinds")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="for failing cases")
    options = parser.parse_args(arguments)
    kinds = options.kind or list(KINDS)
    warnings.simplefilter("ignore")  # of Pillow and numpy at what they are given
    limit_memory()
    signal.signal(signal.SIGVTALRM, over_time)
    processor = InktexImageProcessor()
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    slowest, started = (0.0, ""), time.monotonic()
    for count in range(options.cases):
        kind, number = kinds[count % len(kinds)], count // len(kinds)
        given = case(kind, number, options.seed)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            answer = check(kind, given, processor)
            outcomes[f"{kind}: {'read' if answer == 'read' else 'rejected'}"] += 1
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            place = save_case(options.save, kind, number, given)
            failures.append(f"{kind} {number}: {type(error).__name__}: {error} ({place})")
            outcomes[f"{kind}: FAILED"] += 1
            print(failures[-1][:300], file=sys.stderr, flush=True)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        slowest = max(slowest, (time.process_time() - begun, f"{kind} {number}"))
    for name, total in sorted(outcomes.items()):
        print(f"{name} {total}")
    print(
        f"{options.cases} cases, seed {options.seed}: {len(failures)} failed. Slowest: "
        f"{slowest[1]}, {slowest[0]:.2f} s. {time.monotonic() - started:.0f} s in all."
    )
    return int(bool(failures))


def limit_memory() -> None:
    """Limits the process to `ROOM` more memory than it has: beyond, MemoryError shows where."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def over_time(number: int, frame: FrameType | None) -> None:
    """Handler of the alarm after `SECONDS`."""
    raise OverTimeError(f"more than {SECONDS:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
