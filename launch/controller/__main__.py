"""``python -m launch.controller``: the door of ``process.py``."""

import sys

from launch.controller.process import main

if __name__ == "__main__":
    sys.exit(main())
