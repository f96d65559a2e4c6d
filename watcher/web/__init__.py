"""What the daemon answers over HTTP: health, metrics, and whatever else there is to see of it."""
