"""A process that may take little more memory than it has, asked for more than that, and then for little again.

Argument: the store's path. Prints a JSON line for each request: what it was told, or what its answer comes to.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from engine.host import ModelHost
from engine.limits import Limits
from engine.testing import tiny_model
from storage.database import Store
from tests.support.bench import ME
from tests.support.jobs import SHORT, essence
from ui.actions import Workbench
from ui.errors import Caught

CONTEXT = 30_000
SPARE_MEGABYTES = 48
LONG = "It goes on and on. " * 1_500


@contextmanager
def little_memory() -> Iterator[None]:
    """No more memory than there is now, but for a little."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (size + SPARE_MEGABYTES * 2**20, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def ask(what: str, job: Iterator[str]) -> None:
    """Print how a request ends for which there is little memory."""
    document = ""
    with Caught() as caught, little_memory():
        for frame in job:
            document = frame
    closing = json.loads(document.rstrip("\n").rsplit("\n", 1)[-1])
    # the second where nothing at all was made
    known = caught.sentence or closing.get("problem") or (closing["text"] if closing.get("state") == "failed" else "")
    answer = "" if known else hashlib.sha256(essence(document).encode()).hexdigest()
    print(json.dumps({"what": what, "said": known, "answer": answer}), flush=True)


def main() -> None:
    """Short requests and long ones by turns."""
    # threads have memory of their own each
    torch.set_num_threads(1)
    host = ModelHost(patience=0.0)
    host.hold(tiny_model(context_length=CONTEXT))
    # bounds are of people; here the machine is to be the bound
    bounds = Limits(prompt_chars=10**6, text_chars=10**6)
    with Store(Path(sys.argv[1])) as store:
        bench = Workbench(store, host, bounds)
        list(bench.generate(SHORT, ME))  # what is loaded once is there
        ask("before", bench.generate(SHORT, ME))
        ask("long prompt", bench.generate({**SHORT, "prompt": LONG}, ME))
        ask("after", bench.generate(SHORT, ME))
        ask("long prompt", bench.generate({**SHORT, "prompt": LONG}, ME))
        ask("long text", bench.score_text("Tell me", LONG, ME))
        ask("after", bench.generate(SHORT, ME))


if __name__ == "__main__":
    main()
