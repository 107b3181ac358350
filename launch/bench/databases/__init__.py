"""What reading databases costs, and the servers that this is measured on."""
