"""Which runtimes run where: the ``[[runtime]]`` tables with names and devices filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from launch.server.config import DEFAULT_CPU_SLOTS, RuntimeConfig, ServerConfig
from launch.server.devices import Machine
from sched.errors import ConfigError


def cpu_runtimes(config: ServerConfig, machine: Machine) -> list[RuntimeConfig]:
    """Return one runtime per core; simulated ones need no core of their own.

    Raises:
        ConfigError: a setting that needs GPUs, or more runtimes than cores.
    """
    if config.gpus or any(table.gpus for table in config.runtime):
        reason = "the runtimes are --simulated" if config.simulated else "no GPU is visible"
        raise ConfigError(f"--gpus: {reason}; leave it out to use CPU slots", field="gpus")
    for table in config.runtime:
        if table.sm_share is not None:
            raise ConfigError(
                f"sm_share of runtime {table.name!r} needs a GPU; leave it out", field="sm_share"
            )
    if config.tp_size not in (None, 1):
        raise ConfigError(f"--tp-size {config.tp_size} needs GPUs; leave it out", field="tp_size")
    cores = len(machine.cores)
    count = config.cpu_slots or len(config.runtime) or min(DEFAULT_CPU_SLOTS, cores)
    if config.runtime and count != len(config.runtime):
        raise ConfigError(
            f"--cpu-slots {count} contradicts the {len(config.runtime)} [[runtime]] tables; leave it out",
            field="cpu_slots",
        )
    if count > cores and not config.simulated:
        asked = f"{count} [[runtime]] tables" if config.runtime else f"--cpu-slots {count}"
        raise ConfigError(
            f"{asked}: each runtime needs a core of its own and this machine has {cores}; ask for fewer",
            field="cpu_slots",
        )
    kind = "sim" if config.simulated else "cpu"
    tables = config.runtime or (RuntimeConfig(),) * count
    return [replace(table, name=table.name or f"{kind}-{i}") for i, table in enumerate(tables)]


def gpu_runtimes(config: ServerConfig, machine: Machine) -> list[RuntimeConfig]:
    """Return runtimes of ``tp_size`` GPUs each; a table that names no GPUs gets the next free ones.

    Raises:
        ConfigError: an unknown GPU, a number of GPUs that doesn't fit, or a GPU shared unawares.
    """
    if config.cpu_slots is not None:
        raise ConfigError("--cpu-slots is for machines without GPU; use --gpus", field="cpu_slots")
    chosen = config.gpus or machine.gpus
    _check_gpus("--gpus", chosen, machine.gpus)
    size = config.tp_size or 1
    if not config.runtime and len(chosen) % size:
        raise ConfigError(
            f"--tp-size {size} doesn't divide the {len(chosen)} GPUs in use; choose them with --gpus",
            field="tp_size",
        )
    taken = {gpu for table in config.runtime for gpu in table.gpus}
    free = [gpu for gpu in chosen if gpu not in taken]
    runtimes = []
    for table in config.runtime or (RuntimeConfig(),) * (len(chosen) // size):
        gpus = table.gpus
        if not gpus:
            gpus, free = tuple(free[:size]), free[size:]
        name = table.name or "gpu-" + "-".join(map(str, gpus))
        _check_gpus(f"gpus of runtime {name!r}", gpus, chosen)
        if len(gpus) != (config.tp_size or len(gpus) or 1):
            raise ConfigError(
                f"runtime {name!r} has {len(gpus)} GPUs but needs {size} (--tp-size); name them in its gpus",
                field="gpus",
            )
        runtimes.append(replace(table, name=name, gpus=gpus))
    _check_sharing(runtimes, config.mem_fraction_static)
    return runtimes


def _check_gpus(where: str, gpus: Sequence[int], allowed: Sequence[int]) -> None:
    for gpu, times in Counter(gpus).items():
        if gpu not in allowed:
            known = ", ".join(map(str, allowed))
            raise ConfigError(f"{where}: there is no GPU {gpu}; choose among {known}", field="gpus")
        if times > 1:
            raise ConfigError(f"{where}: GPU {gpu} is named twice; name it once", field="gpus")


def _check_sharing(runtimes: Sequence[RuntimeConfig], server_wide: float | None) -> None:
    """Runtimes may share a GPU, but then each must say how much memory it takes."""
    for gpu, users in Counter(gpu for runtime in runtimes for gpu in runtime.gpus).items():
        for runtime in runtimes:
            fraction = runtime.mem_fraction_static or server_wide
            if users > 1 and gpu in runtime.gpus and fraction is None:
                raise ConfigError(
                    f"GPU {gpu} is shared by {users} runtimes: give {runtime.name!r} a mem_fraction_static",
                    field="mem_fraction_static",
                )
