"""Tuning: a policy's parameters by simulation, offline and while a server runs."""
