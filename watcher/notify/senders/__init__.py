"""Ways to tell that are our own: what apprise cannot say, or says without its structure."""
