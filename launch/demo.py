"""``python -m launch.demo``: the door of ``launch/ask/demo_cli.py``."""

import sys

from launch.ask.demo_cli import main

if __name__ == "__main__":
    sys.exit(main())
