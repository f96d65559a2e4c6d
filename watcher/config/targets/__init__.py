"""From nodes to targets."""
