"""``python -m launch.study``: the door of ``launch/lab/study_cli.py``."""

import sys

from launch.lab.study_cli import main

if __name__ == "__main__":
    sys.exit(main())
