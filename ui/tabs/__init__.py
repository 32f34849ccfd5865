"""One file per tab of the page."""
