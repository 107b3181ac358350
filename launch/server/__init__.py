"""The launcher: it checks a configuration, starts the processes and keeps them alive."""
