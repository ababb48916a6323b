"""The arrays of a network as compiled code finds them quickest: by their addresses.

Handing an array of records from Python to compiled code takes about 0.2 us, which for all of them is more than most of what is done with
them there; an array of their addresses takes 0.1 us.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from dualpath_lab.core.flows import CROSSING, FLOW, LINK, Arrays


def addresses(arrays: Arrays) -> NDArray[np.int64]:
    """Address and shape of each array, good for as long as the arrays are kept."""
    return np.array([number for array in arrays for number in (array.ctypes.data, *array.shape)], np.int64)


@njit
def route_at(address: int, links: int) -> NDArray[np.float64]:
    """The numbers of a :class:`links.Route`; shape (2, links)."""
    numbers: NDArray[np.float64] = carray(_pointer(address), (2, links), np.float64)
    return numbers


@njit
def arrays_at(address: int) -> Arrays:
    """The arrays of :func:`addresses`, which are at that address themselves."""
    where = carray(_pointer(address), 17, np.int64)
    return Arrays(
        links=carray(_pointer(where[0]), where[1], LINK),
        flows=carray(_pointer(where[2]), where[3], FLOW),
        crossings=carray(_pointer(where[4]), where[5], CROSSING),
        ends_at=carray(_pointer(where[6]), where[7], np.float64),
        bins=carray(_pointer(where[8]), (where[9], where[10]), np.float64),
        bin_s=carray(_pointer(where[11]), where[12], np.float64),
        inside=carray(_pointer(where[13]), where[14], np.int64),
        touched=carray(_pointer(where[15]), where[16], np.int64),
    )


@intrinsic
def _pointer(_typing: Any, _address: Any) -> Any:
    """An address as a pointer."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate
