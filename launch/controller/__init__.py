"""The controller process: put together here, run here."""
