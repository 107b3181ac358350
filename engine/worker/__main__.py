"""``python -m engine.worker``: the door of ``worker.py``.

That module becomes the main one instead of being imported: a process that SGLang spawns imports its parent's
main module before anything else, but never a package's ``__main__``.
"""

import runpy

if __name__ == "__main__":
    runpy.run_module("engine.worker.worker", run_name="__main__", alter_sys=True)
