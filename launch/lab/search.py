"""Searches the settings of a policy: the published grid for one knob, Optuna for more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sched.tune.tuner import Knobs, PolicySetting, SettingOutcome, grid

Evaluate = Callable[[PolicySetting], SettingOutcome]


def search(
    default: PolicySetting, knobs: Knobs, evaluate: Evaluate, *, trials: int, seconds: float
) -> list[SettingOutcome]:
    """Return every outcome, the default's first; at most ``trials``, none begun after ``seconds``."""
    until = time.monotonic() + seconds
    if len(knobs) == 1:
        (name, knob), *_ = knobs.items()
        settings = [default, *(default.with_value(name, round(value, 6)) for value in grid(knob))]
        return _on_grid(list(dict.fromkeys(map(_hashable, settings))), evaluate, until)
    return _by_optuna(default, knobs, evaluate, trials, until)


def _hashable(setting: PolicySetting) -> tuple[str, tuple[tuple[str, float], ...]]:
    return setting.policy, tuple(setting.values.items())


def _on_grid(
    settings: Sequence[tuple[str, tuple[tuple[str, float], ...]]], evaluate: Evaluate, until: float
) -> list[SettingOutcome]:
    outcomes: list[SettingOutcome] = []
    for policy, values in settings:
        if outcomes and time.monotonic() >= until:
            break
        outcomes.append(evaluate(PolicySetting(policy, dict(values))))
    return outcomes


def _by_optuna(
    default: PolicySetting, knobs: Knobs, evaluate: Evaluate, trials: int, until: float
) -> list[SettingOutcome]:
    """Tree-structured Parzen estimation from the default on; the same trials for the same replays."""
    import optuna  # a second to import

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    outcomes: list[SettingOutcome] = []

    def objective(trial: optuna.Trial) -> float:
        values = {name: trial.suggest_float(name, low, high) for name, (low, high) in knobs.items()}
        outcomes.append(evaluate(PolicySetting(default.policy, values)))
        return outcomes[-1].tail

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.enqueue_trial(dict(default.values))
    study.optimize(objective, n_trials=trials, timeout=max(0.1, until - time.monotonic()))
    return outcomes
