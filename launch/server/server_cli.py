"""``python -m launch.server``: checks everything, then starts and supervises a server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from setproctitle import setproctitle

from launch.checks import LINK_HOST, check_folder, check_port
from launch.server.config import SHOWN_LEVELS, ServerConfig
from launch.server.devices import detect
from launch.server.local_starter import LocalStarter
from launch.server.plan import ServerPlan, prepare
from launch.server.progress import choose_progress
from launch.server.resolve import as_toml, resolve
from launch.server.sources import read_invocation
from launch.server.supervisor import Supervisor
from launch.server.time_limits import TimeLimits
from plugins.text2sql.databases.address import shown
from sched.errors import ConfigError

_EMBEDDED_WARNING = (
    "the embedded demo model is served: tiny, it answers simple English questions about the demo database "
    "shop and nothing else (choose another with --model-path)."
)
_SIMULATED_WARNING = "warning: --simulated: no model runs, the runtimes are stand-ins."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the launcher and return its exit code: 2 for a wrong configuration, see also ``Supervisor.run``."""
    try:
        hide_passwords(sys.orig_argv)
        check_folder(Path.cwd())
        invocation = read_invocation(sys.argv[1:] if argv is None else argv, os.environ)
        machine = detect(os.environ)
        config = resolve(invocation.config, machine)
        if invocation.print_config:
            print(as_toml(config), end="")
            return 0
        check_port(config.host, config.port)
        if config.link_port is not None:
            check_port(LINK_HOST, config.link_port, "--link-port")
        plan = prepare(config, machine)
    except ConfigError as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:  # a path that is too long, `~` of a user that doesn't exist
        reason = error.strerror if isinstance(error, OSError) else str(error)
        print(f"sluice: a path among the settings can't be used: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return asyncio.run(_supervise(plan))


def hide_passwords(command: Sequence[str]) -> None:
    """Give this process a title without the passwords in its ``command``, which all users could see."""
    title = [shown(part) if "://" in part else part for part in command]
    if title != list(command):
        setproctitle(" ".join(title))


async def _supervise(plan: ServerPlan) -> int:
    config = plan.config
    show_logs = config.log_level in SHOWN_LEVELS
    progress = choose_progress(show_logs)
    if config.simulated:
        progress.say(_SIMULATED_WARNING)
    elif plan.embedded:
        progress.say(_EMBEDDED_WARNING)
    supervisor = Supervisor(
        plan.family_in,
        LocalStarter(),
        TimeLimits(
            start_seconds=config.start_timeout_seconds,
            drain_seconds=config.drain_seconds,
            kill_seconds=config.kill_after_seconds,
        ),
        progress,
        lambda seconds: _ready_sentence(config, seconds),
        show_logs=show_logs,
    )
    return await supervisor.run()


def _ready_sentence(config: ServerConfig, seconds: float) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    count = len(config.runtime)
    kind = "simulated runtime" if config.simulated else "runtime"
    return (
        f"Sluice is ready on http://{host}:{config.port} ({count} {kind}{'s' if count > 1 else ''}, "
        f"placement {config.placement}, ordering {config.ordering}; {seconds:.0f} s)"
    )
