"""See, measure, doubt and train networks of cheap operations: GhostNet (arXiv 1911.11907) in MindSpore."""

__version__ = "0.2.0"
