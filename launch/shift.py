"""``python -m launch.shift``: the door of ``launch/lab/shift_cli.py``."""

import sys

from launch.lab.shift_cli import main

if __name__ == "__main__":
    sys.exit(main())
