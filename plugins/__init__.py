"""What can be exchanged: scheduling policies and workflows.  Imports `sched` only, never `engine`."""
