"""The HTTP API: endpoints compatible with Gatus, and this daemon's records, as JSON and badges."""
