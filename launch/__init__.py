"""What a user starts: the launcher, the controller's process, the HTTP doors and the command lines."""
