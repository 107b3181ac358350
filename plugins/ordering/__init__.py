"""Ordering policies: which waiting call a runtime takes next.  One policy a file."""
