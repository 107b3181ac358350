"""Sluice beside its peers on the same runtimes: systems, paired runs, intervals, plots."""
