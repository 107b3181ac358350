"""What is learned of runtimes, stages and calls, and what is expected by that."""
