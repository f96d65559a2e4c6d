"""What is told to people, by which channels and when: frozen values."""
