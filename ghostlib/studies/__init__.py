"""From recorded rows to sentences: what was published, what was run, and how the two differ. Rows only, no MindSpore."""
