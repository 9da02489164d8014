"""What can be said about a problem before any backend is asked: variables fixed, parts taken apart."""
