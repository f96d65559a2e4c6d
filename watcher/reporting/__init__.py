"""What commands, and later a page, show of the present and the past: the queries and their JSON forms."""
