"""The explorer of `notebooks/explore.ipynb`: pictures.py cuts what a network looks at, switches.py runs it with maps
silenced, views.py computes what is to be seen, tiles.py draws it, column.py is one network's, panel.py the page of all."""
