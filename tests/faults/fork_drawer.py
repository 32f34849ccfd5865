"""A process that draws a forking analysis with the embedded model until it is done or somebody kills it.

Arguments: the store, "begin" or "resume", and the uid of a run or of an analysis. Prints "draws uid" for every frame.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import load_model
from storage.database import Store
from ui import fork_job
from ui.access import LOCAL, Viewer
from ui.actions import Workbench
from ui.forks import Forks

SETTINGS = {
    "extractor": "last_number",
    "threshold": 0.1,
    "draws": 5,
    "fewest": 1,
    "most": 8,
    "max_tokens": 28,
    "seed": 4,
}
ME = Viewer(LOCAL, "session-1", True)
# as every few seconds, but for a short analysis
SAVE_SECONDS = 0.3


def main() -> None:
    """Draw; the parent reads how far it is."""
    path, order, uid = sys.argv[1:]
    fork_job.FRAME_SECONDS, fork_job.SAVE_SECONDS = 0.0, SAVE_SECONDS
    host = ModelHost()
    host.hold(load_model("embedded", device="cpu", dtype="float32"))
    with Store(Path(path)) as store:
        forks = Forks(Workbench(store, host, Limits()))
        frames: Iterator[str] = forks.run(uid, SETTINGS, ME) if order == "begin" else forks.resume(uid, ME)
        for frame in frames:
            lines = frame.rstrip("\n").split("\n")
            print(json.loads(lines[-1])["s"]["draws"], json.loads(lines[0])["forks"], flush=True)


if __name__ == "__main__":
    main()
