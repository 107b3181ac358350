"""What ``python -m launch.study`` shows: each makes the cells of a sweep, and tables of the results."""
