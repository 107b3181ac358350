"""``python -m launch.models``: the door of ``models_cli.py``."""

import sys

from launch.models.models_cli import main

if __name__ == "__main__":
    sys.exit(main())
