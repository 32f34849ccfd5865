"""Tests that drive the page in Chromium; a package, so that the browser closes when the last of them is done."""
