"""Whose maps a row is about: those of a trained network, and what they are compared with."""

TRAINED, UNTRAINED, SCRAMBLED, GREY, SHUFFLED = SOURCES = (
    "trained", "untrained", "phase-scrambled images", "greyscale input", "maps of another image")
SHUFFLED_WEIGHTS = "shuffled weights"  # in the place of the untrained network, where there is none: see `shuffled.py`
