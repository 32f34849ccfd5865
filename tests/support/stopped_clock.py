"""Types while the page's own clock stands still between the keys, so that no slow machine makes a pause of one."""

from __future__ import annotations

from playwright.sync_api import Locator


def typed(field: Locator, words: str, pace: int) -> None:
    """Type into a field, a key every `pace` milliseconds of the page's clock, which stands still after that.

    `field.page.clock.run_for` lets time pass, `clock.resume` lets it go on by itself.
    """
    clock = field.page.clock
    clock.install()
    clock.pause_at(field.page.evaluate("Date.now() + 1000"))
    field.focus()
    for key in words:
        clock.run_for(pace)
        field.page.keyboard.type(key)
