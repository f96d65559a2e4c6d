"""What undoes a Content-Encoding, in steps of bounded size."""
