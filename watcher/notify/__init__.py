"""The hand: who is told, what is said, and that it arrives."""
