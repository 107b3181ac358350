"""``python -m launch.tune``: the door of ``launch/lab/tune_cli.py``."""

import sys

from launch.lab.tune_cli import main

if __name__ == "__main__":
    sys.exit(main())
