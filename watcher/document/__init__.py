"""Files a person writes: YAML with the position of every node, validated with all problems at once."""
