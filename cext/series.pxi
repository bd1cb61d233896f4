# One signal for many rows: the loop over rows and receivers, without a Python frame between. Included by dispatch.pyx.

cdef bint is_constant(list column) noexcept:
    """Tell whether a column has one object for all rows."""
    cdef Py_ssize_t i
    for i in range(1, len(column)):
        if PyList_GET_ITEM(column, i) != PyList_GET_ITEM(column, 0):
            return False
    return True


@cython.final
cdef class Series:
    """One lifecycle signal, fired for many rows, one after the other.

    Args:
        emitter: The signal's emitter.
        signal: The signal to send through.
        sender: The sender.
        columns: The signal's parameters in their order: a list has a value for each row, all else is for all of them.
        told: Context variables to set before each row, each with its list of values.
    """

    cdef readonly object signal
    cdef readonly object sender
    cdef tuple names
    cdef tuple columns
    cdef list varying
    cdef list constant
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t position
    cdef Kept kept

    def __init__(self, emitter, signal, sender, tuple columns not None, tuple told=()):
        self.names = PARAMETERS[emitter.__name__]
        if len(columns) != len(self.names):
            raise TypeError(f"{emitter.__name__} takes {len(self.names)} values, not {len(columns)}")
        self.signal, self.sender, self.columns = signal, sender, columns
        lengths = {len(column) for column in columns if type(column) is list} | {len(column) for _, column in told}
        if len(lengths) != 1:
            raise ValueError(f"the lists of a series are of one length, not of {sorted(lengths)}")
        self.count = lengths.pop()
        self.position = -1
        self.kept = Kept.__new__(Kept)
        self.varying, self.constant = [], []
        for variable, column in told:
            if self.count and is_constant(column):  # it is set once: that costs as much as half a receiver
                self.constant.append((variable, column[0]))
            else:
                self.varying.append((variable, column))

    def go(self):
        """Fire the signal for the rows to come; ``None`` when all receivers of all rows have finished.

        Else what is to be awaited for the rest of one row, after which to go on. So it is when a receiver raises: the
        ``position`` is that of its row. Receivers that are weakly referenced are kept until somebody connects.
        """
        cdef PyObject *args[SMALL + 1]
        cdef PyObject *variable
        cdef Py_ssize_t i, j, width = len(self.columns)
        args[0] = <PyObject *>self.sender
        for pair in self.constant:
            PyContextVar_Set(<object>PyTuple_GET_ITEM(pair, 0), <object>PyTuple_GET_ITEM(pair, 1))
        while self.position + 1 < self.count:
            self.position += 1
            i = self.position
            for pair in self.varying:
                PyContextVar_Set(<object>PyTuple_GET_ITEM(pair, 0), (<list>PyTuple_GET_ITEM(pair, 1))[i])
            for j in range(width):
                variable = PyTuple_GET_ITEM(self.columns, j)
                if PyList_CheckExact(<object>variable):
                    args[j + 1] = PySequence_Fast_ITEMS(<object>variable)[i]
                else:
                    args[j + 1] = variable
            rest = emit(self.signal, args, self.names, self.kept)
            if rest is not None:
                return rest
        return None
