"""What commands show of the present and the past: queries and their JSON forms."""
