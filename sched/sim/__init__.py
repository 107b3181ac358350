"""The simulator: the live dispatcher on simulated runtimes and a simulated clock."""
