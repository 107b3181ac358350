"""The databases that can be asked: their schema, their values, read-only statements."""
