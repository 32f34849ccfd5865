"""Makes the attention chains that ship with the project: `python -m assets.make_example_chain`.

Traces the answers of two examples with the embedded model through the page's own use case, by the usual settings, and
writes assets/example_chain.zip. Nothing in the file stands here: the answers are found by rule, the rest is computed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from engine.host import ModelHost
from engine.limits import Limits
from engine.models import load_model
from storage.database import Store
from ui.access import Viewer
from ui.actions import Workbench
from ui.chains import Chains
from ui.examples import CHAIN, OWNER, example_uid, install_runs, pack_analyses

# sums that were worked out wrong: the answers rest on the right terms all the same
EXAMPLES = (7, 1)


def main() -> None:
    host = ModelHost()
    host.hold(load_model("embedded"))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "examples.db") as store:
        install_runs(store)
        chains, viewer, uids = Chains(Workbench(store, host, Limits())), Viewer(OWNER, "make", True), []
        for number in EXAMPLES:
            *_, document = chains.trace(example_uid(number), {}, viewer)
            lines = [json.loads(line) for line in document.split("\n") if line]
            uids.append(lines[0]["chain"])
            confidence = next(line["confidence"] for line in lines if "confidence" in line)
            print(number, lines[0]["others"][0]["text"], confidence)
        CHAIN.write_bytes(pack_analyses(store, uids))
    print(f"{CHAIN}: {CHAIN.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
