"""Starts Forklore: reads arguments and environment, opens the store, starts loading the model, serves the page; or
does what a first word such as "check" asks for.

Knows how the parts are put together and nothing else; every part is handed its settings.
"""

from __future__ import annotations

import sys

from engine import lent_gpu
from ui import commands
from ui.interface_files import without_interface_files
from ui.settings import parse


def main() -> int:
    """The exit code: 0, 1 for damage that a command found, 2 for a wrong value or an unusable file, 130 for Ctrl-C."""
    try:
        if (call := commands.asked_for(sys.argv[1:])) is not None:
            return commands.run(call)
        settings = parse(sys.argv[1:])
        # before anything loads torch, which is given its own idea of a GPU where one is only lent
        lent_gpu.begin()
        # after parsing: a wrong flag or --help must not wait for the libraries to load
        from engine.errors import UserError

        with without_interface_files():
            from ui.serve import serve

        try:
            return serve(settings)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
    except KeyboardInterrupt:
        return commands.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
