"""From nodes to what is told, by which channels and when."""
