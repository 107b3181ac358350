"""Experiments without a server: simulations, studies, tuning, traces."""
