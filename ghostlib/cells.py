"""Cells of a network as children of their parents: replaced, copied, and read in the order they run."""

import copy
from collections.abc import Iterator

from mindspore import nn

ACTIVATIONS = nn.ReLU, nn.ReLU6, nn.HSwish
Group = tuple[list[str], nn.Cell | None, nn.BatchNorm2d | None, nn.Cell | None]


def put_cell(parent: nn.Cell, key: str, cell: nn.Cell) -> None:
    """Puts a cell in the place of the child that `parent` knows as `key`; parameters' names are the caller's matter."""
    if isinstance(parent, (nn.SequentialCell, nn.CellList)):
        # What their assignment by index does, less its renaming, which fails on parameters with short names.
        parent._cells[key] = cell
        if isinstance(parent, nn.SequentialCell):
            parent.cell_list = list(parent._cells.values())
    else:
        setattr(parent, key, cell)


def copy_sharing_weights(net: nn.Cell) -> nn.Cell:
    """A copy whose cells can be replaced while its parameters are those of `net`: what trains one trains both."""
    return copy.deepcopy(net, {id(parameter): parameter for parameter in net.get_parameters()})


class keep_names:
    """Restores parameters' names at the end of a `with`: MindSpore renames those of a cell put into another."""

    def __init__(self, net: nn.Cell):
        self._names = [(parameter, parameter.name) for parameter in net.get_parameters()]

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_) -> None:
        for parameter, name in self._names:
            parameter.name = name


def convolution_groups(cell: nn.Cell) -> Iterator[Group]:
    """The children of a cell in groups that run as one: convolution, BatchNorm, activation, each of them optional.

    In which order children run is known of a SequentialCell, and of a class that says so: its `IN_ORDER` names children
    that run one right after the other, a tuple for each such chain, as in ``(("conv1", "bn1", "relu1"), ("conv2", "bn2"))``.
    Any other child is a group of its own: the order in which a class made its children says nothing about that in which they
    run. In a chain `nn.Identity` is passed over, and a child of another kind is no part of any group.

    Yields:
        The keys of a group's children, its first child if that is no BatchNorm, its BatchNorm, and the activation, one of
        ACTIVATIONS, that ends it.
    """
    children = {key: child for key, child in cell._cells.items() if child is not None}
    declared = [tuple(children)] if isinstance(cell, nn.SequentialCell) else getattr(cell, "IN_ORDER", ())
    chains = {key: chain for chain in declared for key in chain}
    done: set[str] = set()
    for key in children:  # as they were made, each chain in the place of its first
        if key not in done:
            chain = [other for other in chains.get(key, (key,)) if other in children]
            done.update(chain)
            yield from _groups_of([(other, children[other]) for other in chain])


def _groups_of(children: list[tuple[str, nn.Cell]]) -> Iterator[Group]:
    while children:
        keys, first = [children[0][0]], children[0][1]
        children.pop(0)
        norm = first if isinstance(first, nn.BatchNorm2d) else None
        activation = None
        while children and activation is None:
            key, following = children[0]
            if isinstance(following, nn.BatchNorm2d) and norm is None and hasattr(first, "out_channels"):
                norm = following
            elif type(following) in ACTIVATIONS and (norm is not None or hasattr(first, "out_channels")):
                activation = following
            elif not isinstance(following, nn.Identity):
                break
            keys.append(key)
            children.pop(0)
        yield keys, None if first is norm else first, norm, activation
