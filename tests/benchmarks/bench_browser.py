"""How fast the browser draws: a run of 500 tokens from its document, and tinting it by another score.

The instrument alone in headless Chromium, layout included, as its own stopwatch (Forklore.measure) sees it.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.benchmarks.rows import Row
from tests.storage.examples import realistic_trace
from tests.support import chromium
from ui import assets, views


def measure(folder: Path, quick: bool) -> list[Row]:
    trace = realistic_trace(0)
    document = views.run_document(trace, views.RunIdentity("bench"), status="finished")
    saved = folder / "run.html"
    saved.write_text(assets.standalone_page(document, "bench"), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.launch_flags())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(saved.as_uri())
        page.wait_for_selector(".fl-explorer[data-ready='1']")
        times = 3 if quick else 9
        drawn = [page.evaluate("text => Forklore.measure.draw(text)", document) for _ in range(times)]
        names = ["surprisal", "entropy", "varentropy"]
        tinted = [page.evaluate("name => Forklore.measure.recolour(name)", names[i % 3]) for i in range(times)]
        browser.close()
    return [
        Row(
            f"drawing {len(trace)} tokens in the browser",
            statistics.median(drawn),
            "ms",
            "under 200 ms",
            at_most=200.0,
        ),
        Row(f"tinting {len(trace)} tokens by another score", statistics.median(tinted), "ms"),
    ]
