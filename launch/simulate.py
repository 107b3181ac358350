"""``python -m launch.simulate``: the door of ``launch/lab/simulate_cli.py``."""

import sys

from launch.lab.simulate_cli import main

if __name__ == "__main__":
    sys.exit(main())
