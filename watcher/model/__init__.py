"""The ground floor: frozen values and pure decisions; it imports nothing else of watcher, and no trio."""
