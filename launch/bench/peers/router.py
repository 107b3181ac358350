"""The router of the package ``sglang-router`` as a child process: the same as its own command line.

``python -m sglang_router.launch_router`` would first import SGLang, which it needs for nothing here.
"""

from __future__ import annotations

import argparse


def main() -> None:
    """Serve until SIGTERM."""
    from sglang_router.router import Router
    from sglang_router.router_args import RouterArgs

    parser = argparse.ArgumentParser(prog="python -m launch.bench.peers.router", description=__doc__)
    parser.add_argument("--status-fd", type=int, help="not used: ask /readiness")
    RouterArgs.add_cli_args(parser, use_router_prefix=False)
    Router.from_args(RouterArgs.from_cli_args(parser.parse_args(), use_router_prefix=False)).start()


if __name__ == "__main__":
    main()
