"""The explorer of `notebooks/explore.ipynb`: views.py computes what is to be seen, panel.py is the page it is seen on."""
