"""The journal: which workflows were accepted and how they ended, kept beyond the life of the controller."""
