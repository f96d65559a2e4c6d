"""The API: what Gatus has, in its names and shapes, and the records of this daemon, as JSON and as badges."""
