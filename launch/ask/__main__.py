"""``python -m launch.ask``: the door of ``ask_cli.py``."""

import sys

from launch.ask.ask_cli import main

if __name__ == "__main__":
    sys.exit(main())
