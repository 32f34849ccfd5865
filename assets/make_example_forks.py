"""Makes the forking analysis that ships with the project: `python -m assets.make_example_forks`.

Runs the embedded model through the page's own use case on one of the examples and writes assets/example_forks.zip.
Only the settings stand here; everything else in the file was drawn from the model. Draws that the file has already are
read again, which takes seconds; `--anew` draws all of them, for other settings.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import load_model
from storage.database import Store
from ui.access import Viewer
from ui.actions import Workbench
from ui.examples import FORKS, OWNER, example_uid, install_analysis, install_runs, pack_analyses, read_analyses
from ui.forks import Forks

EXAMPLE = 7
SETTINGS = {"extractor": "last_number", "draws": 40, "most": 70, "max_tokens": 110, "seed": 1}


def main(anew: bool) -> None:
    host = ModelHost()
    host.hold(load_model("embedded"))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "examples.db") as store:
        install_runs(store)
        viewer = Viewer(OWNER, "make", True)
        forks, document, shown = Forks(Workbench(store, host, Limits())), "", 0.0
        if anew:
            documents = forks.run(example_uid(EXAMPLE), SETTINGS, viewer)
        else:
            uid = install_analysis(store, *read_analyses(FORKS.read_bytes()))
            store.analyses.save(uid, viewer=OWNER, status="stopped")
            documents = forks.resume(uid, viewer)
        for document in documents:
            if time.monotonic() - shown > 10:
                print(document.split("\n")[-2], flush=True)
                shown = time.monotonic()
        lines = [json.loads(line) for line in document.split("\n") if line]
        print(lines[-1])
        FORKS.write_bytes(pack_analyses(store, [lines[0]["forks"]]))
    print(f"{FORKS}: {FORKS.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main(anew="--anew" in sys.argv[1:])
