"""The line about a person's share is told anew behind every job of the page that may use some of it up."""

from __future__ import annotations

import json
from pathlib import Path

from engine.host import ModelHost
from engine.limits import Limits
from storage.database import Store
from tests.support.doors import request_of
from ui.actions import Workbench
from ui.page import build_page
from ui.quotas import QuotaLimits, Quotas
from ui.settings import Settings
from ui.shelf import Shelf

# asking, scoring, continuing; branches (3); the tree (3); forks (4); a chain; probes (3)
JOBS = 17


def test_every_job_of_the_page_is_followed_by_what_is_left(tmp_path: Path) -> None:
    settings = Settings("embedded", None, None, None, tmp_path / "f.db", tmp_path, "127.0.0.1", 7860, 1, "public")
    with Store(tmp_path / "f.db") as store:
        bench = Workbench(store, ModelHost(), Limits(), quotas=Quotas(QuotaLimits.of("public")))
        page = build_page(bench, Shelf(store), settings)
        try:
            functions = page.fns.values()
            jobs = [one for one in functions if one.types_generator and one.api_visibility == "private"]
            assert len(jobs) == JOBS
            line = next(block for block in page.blocks.values() if getattr(block, "elem_id", "") == "shares")
            for job in jobs:
                behind = [one for one in functions if one.trigger_after == job._id and one.outputs == [line]]
                assert len(behind) == 1 and not behind[0].trigger_only_on_success, job.name
                assert behind[0].fn is not None
                said = json.loads(behind[0].fn(request_of()))
                assert said["text"].startswith("60 of 60 answers left")
        finally:
            page.close()
