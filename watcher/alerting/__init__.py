"""Telling people: from changes of state to messages, and from messages to their receivers."""
