"""What the kinds of database share that are asked over a connection of a driver of their own."""
