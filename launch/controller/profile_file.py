"""Keeps the stage profile in the user's cache folder, between starts of a server of the same model."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from pathlib import Path

import orjson

from launch.server.model_folders import cache_folder
from sched.predict.profile_store import as_plain, restored
from sched.predict.stage_profile import StageProfile

logger = logging.getLogger(__name__)

_SAVE_SECONDS = 60.0


class ProfileFile:
    """The profile of ``model`` in the cache folder; :meth:`start` saves it every minute.

    Without a model (simulated runtimes) nothing is kept.
    """

    def __init__(self, model: str | None, folder: Path | None = None) -> None:
        name = hashlib.sha256((model or "").encode()).hexdigest()[:16]
        self._path = (folder or cache_folder() / "profiles") / f"{name}.json"
        self._keeps = model is not None
        self._saved = b""
        self._task: asyncio.Task[None] | None = None

    def load(self) -> StageProfile:
        """Return what was kept, or a profile that knows the published figures alone."""
        if not self._keeps:
            return StageProfile()
        try:
            return restored(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return StageProfile()
        except (OSError, ValueError) as error:
            logger.warning("the profile %s is of no use (%s): learned anew", self._path, error)
            return StageProfile()

    def start(self, profile: StageProfile) -> None:
        """Save ``profile`` from time to time; call from a running event loop."""
        self._task = asyncio.create_task(self._keep(profile), name="profile")

    async def close(self, profile: StageProfile) -> None:
        """Save it a last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.save(profile)

    async def _keep(self, profile: StageProfile) -> None:
        while True:  # close() cancels it
            await asyncio.sleep(_SAVE_SECONDS)
            self.save(profile)

    def save(self, profile: StageProfile) -> None:
        """Write the profile if it is another one than the last time; a full disk is logged."""
        data = orjson.dumps(as_plain(profile))
        if data == self._saved or not self._keeps:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}")
            part.write_bytes(data)
            part.replace(self._path)
            self._saved = data
        except OSError as error:
            logger.warning("the profile can't be kept in %s: %s", self._path, error.strerror)
