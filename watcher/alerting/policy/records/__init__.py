"""What a channel has told of each target, what it has still to tell, and what that waits for."""
