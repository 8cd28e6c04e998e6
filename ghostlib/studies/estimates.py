"""A value with its interval and what that is over, as it stands in sentences and tables of lesions. Rows only."""

from typing import NamedTuple

import numpy as np

from ghostlib.studies.contrasts import with_interval


class Estimate(NamedTuple):
    """A value with its 95 % interval, and over what that is: "4 networks and photographs", "photographs" or "modules"."""

    mean: float
    low: float
    high: float
    over: str

    def told(self, digits: int = 2, unit: str = " points", sign: str = "+") -> str:
        """In words; `sign` "" is for what is lost, where a plus would say the contrary."""
        mean, low, high = (f"{value:{sign}.{digits}f}" for value in (self.mean, self.low, self.high))
        if np.isnan(self.low):
            return f"{mean}{unit}, of {self.over} alone" if not np.isnan(self.mean) else "not known"
        return f"{mean}{unit}, 95 % interval over {self.over} {low} to {high}"

    def word(self, below: str, above: str, neither: str) -> str:
        """What the interval says beside 0."""
        return above if self.low > 0 else below if self.high < 0 else neither

    def short(self, digits: int) -> str:
        """In a table; "" where it is not known."""
        if np.isnan(self.mean):
            return ""
        return with_interval(self.mean, self.low, self.high, digits)
