"""What the prefix caches of runtimes are believed to hold."""
