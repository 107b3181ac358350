"""The server's databases as tools of the Model Context Protocol."""
