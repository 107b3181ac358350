"""``python -m launch.bench``: the door of ``bench_cli.py``."""

import sys

from launch.bench.bench_cli import main

if __name__ == "__main__":
    sys.exit(main())
