"""``python -m launch.server``: the door of ``server_cli.py``."""

import sys

from launch.server.server_cli import main

if __name__ == "__main__":
    sys.exit(main())
