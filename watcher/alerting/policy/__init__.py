"""What is to be told, to whom and when: pure decisions, with no clock of their own."""
