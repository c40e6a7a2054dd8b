"""One state directory as users see it: their pipelines, runs, logs and events.

Owns: putting store, engine and executors together over a directory; what may be asked of runs; what
changed between two versions.
Promises: whatever is asked for is kept before the answer; whichever process works on the directory
takes up its open runs.
Does not: print, read the environment, or speak HTTP.
"""

from penstock.control._catalogue import Catalogue, Difference, difference
from penstock.control._runs import RunNotFoundError, Runs, RunView, StepNotFoundError, StepView
from penstock.control._workspace import Workspace, WorkspaceSettings, open_workspace

__all__ = [
    "Catalogue",
    "Difference",
    "RunNotFoundError",
    "RunView",
    "Runs",
    "StepNotFoundError",
    "StepView",
    "Workspace",
    "WorkspaceSettings",
    "difference",
    "open_workspace",
]
