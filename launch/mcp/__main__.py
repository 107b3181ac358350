"""``python -m launch.mcp``: the door of ``mcp_cli.py``."""

import sys

from launch.mcp.mcp_cli import main

if __name__ == "__main__":
    sys.exit(main())
