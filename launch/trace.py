"""``python -m launch.trace``: the door of ``launch/lab/trace_cli.py``."""

import sys

from launch.lab.trace_cli import main

if __name__ == "__main__":
    sys.exit(main())
