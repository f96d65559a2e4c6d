"""What the daemon answers over HTTP: pages, health, metrics, and whatever else there is to see of it."""
