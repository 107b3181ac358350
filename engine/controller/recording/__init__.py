"""What a server was asked to do, as a trace."""
