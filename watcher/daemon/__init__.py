"""What runs: the daemon opens everything in order, and closes it in the reverse one."""
