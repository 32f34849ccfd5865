"""Opens a part of the page that was shut, so that what is then typed into its fields stays there."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.support.at_rest import two_frames


def opened(opener: Locator, field: Locator) -> Locator:
    """A field of a part that `opener` opens, on show; nothing but a person or the app changes it from now on."""
    if not field.is_visible():
        opener.click()
        expect(field).to_be_visible()
        # gradio draws the fields of a part that opens, and a frame later writes their values into them once more
        two_frames(field.page)
    return field
