"""Better parameters of a placement policy, found by replaying workflows in the simulator."""
