"""Records of a channel: what it was notified of, what is still to be sent, and what that waits for."""
