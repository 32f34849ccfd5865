"""Starts Forklore: reads arguments and environment, opens the store, starts loading the model, serves the page.

Knows how the parts are put together and nothing else; every part is handed its settings.
"""

from __future__ import annotations

import sys

from ui.settings import parse


def main() -> int:
    settings = parse(sys.argv[1:])
    # after parsing: a wrong flag or --help must not wait for the libraries to load
    from engine.errors import UserError
    from ui.serve import serve

    try:
        return serve(settings)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
