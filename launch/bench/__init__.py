"""The measurements of ``python -m launch.bench``, one a file."""
