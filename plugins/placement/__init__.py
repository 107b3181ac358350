"""Placement policies: which runtime takes a call.  One policy a file."""
