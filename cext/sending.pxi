# Sends that are awaited: ``send_async``, and the rest of an emission that has suspended. Included by dispatch.pyx.

cdef Sending rest(
    object signal, PyObject *const *args, tuple names, object live, tuple calls,
    Py_ssize_t position, object waiting, PyObject *yielded,
):
    """Return the rest of an emission whose receiver at ``position`` has suspended."""
    cdef Sending sending = Sending.__new__(Sending)
    sending.yielded = <object>yielded
    Py_DECREF(yielded)
    sending.signal = signal
    sending.arguments = arguments_of(args[0], args + 1, len(names), -1)
    sending.live, sending.calls = live, calls
    sending.position = position + 1
    sending.running = waiting
    sending.state = YIELDED
    return sending


cdef enum:
    CREATED, YIELDED, STARTED, EXECUTING, CLOSED


@cython.final
cdef class Sending:
    """An asynchronous send: awaits the receivers one after the other, in the task and context that await it.

    A coroutine in all but its type (:class:`collections.abc.Coroutine`): ``await`` it, or give it to
    :func:`asyncio.create_task`, ``gather``, ``wait_for``.
    """

    cdef object signal
    cdef tuple arguments
    cdef tuple names
    cdef object live
    cdef tuple calls
    cdef Py_ssize_t position
    cdef list results
    cdef Packed packed
    cdef object running
    cdef object yielded
    cdef object wrapper
    cdef int state
    cdef object __weakref__

    def __cinit__(self):
        self.packed = Packed.__new__(Packed)

    def __await__(self):
        """Return what ``await`` iterates: the send itself."""
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on with ``value`` as the result of what was awaited; return what is awaited next."""
        cdef PyObject *result = NULL
        return told(am_send(self, value, &result), result)

    def throw(self, kind, value=None, traceback=None):
        """Raise an exception where the receiver that is awaited waits; return what is awaited next."""
        cdef PyObject *result = NULL
        if isinstance(value, BaseException):
            error = value
        else:
            error = kind() if value is None and isinstance(kind, type) else kind
        if traceback is not None:
            error = error.with_traceback(traceback)
        if self.state >= EXECUTING:
            raise self.misuse()
        if self.state == CREATED:
            self.close()
            raise error
        return told(self.go_on(None, error, &result), result)

    def close(self):
        """Close the receiver that is awaited; call no other."""
        if self.state == EXECUTING:
            raise self.misuse()
        running = self.running
        self.end()
        if hasattr(running, "close"):
            running.close()

    cdef object misuse(self):
        if self.state == EXECUTING:
            return ValueError("coroutine already executing")
        return RuntimeError("cannot reuse already awaited coroutine")

    cdef void end(self) noexcept:
        self.state = CLOSED
        self.signal = self.running = self.yielded = self.wrapper = self.live = None
        self.arguments = self.calls = ()

    cdef PySendResult go_on(self, object value, object error, PyObject **result) except? PYGEN_ERROR:
        """Resume the receiver that is awaited, then call and await those after it; tell how that ended."""
        cdef PySendResult outcome
        cdef Call call
        cdef object receiver = None
        cdef object live = self.live
        cdef Py_ssize_t count = 0 if live is None else len(live)
        self.state = EXECUTING
        try:
            while True:
                if self.running is not None:
                    receiver = live[self.position - 1]
                    if error is not None:
                        outcome = throw_into(self.running, error, result)
                    else:
                        outcome = PyIter_Send(<PyObject *>self.running, <PyObject *>value, result)
                    if outcome == PYGEN_NEXT:
                        self.state = STARTED
                        return PYGEN_NEXT
                    if outcome == PYGEN_ERROR:
                        reraise()
                    returned = <object>result[0]
                    Py_DECREF(result[0])
                    self.running = value = error = None
                    self.keep(receiver, returned)
                if self.position == count:
                    break
                receiver = live[self.position]
                call = <Call>self.calls[self.position]
                self.position += 1
                if receiver is not None:
                    self.invoke(receiver, call)
        except BaseException as failure:
            if receiver is not None and isinstance(failure, Exception):
                annotate(failure, self.signal, self.arguments[0], receiver)
            self.end()
            if isinstance(failure, StopIteration):
                raise RuntimeError("coroutine raised StopIteration") from failure
            raise
        result[0] = Py_NewRef(<PyObject *>self.results)
        self.end()
        return PYGEN_RETURN

    cdef int invoke(self, object receiver, Call call) except -1:
        """Call ``receiver``; leave in ``running`` what is to be awaited."""
        target = receiver
        if self.results is not None and not call.is_async:
            if self.wrapper is None:
                raise RuntimeError("Cannot send to a non-coroutine function.")
            target = self.wrapper(receiver)
        result = call.call(<PyObject *>target, PySequence_Fast_ITEMS(self.arguments), self.packed)
        if PyCoro_CheckExact(result):
            self.running = result
        elif result is None and call.after_commit:
            self.keep(receiver, result)
        elif self.results is not None or call.is_async:
            self.running = iterator(result)
        else:
            self.keep(receiver, result)
        return 0

    cdef void keep(self, object receiver, object result):
        if type(receiver) is Watched:
            self.results = result
        elif self.results is not None:
            self.results.append((behind(receiver), result))

    def __del__(self):
        if self.state == CREATED:
            warnings.warn("coroutine 'send_async' was never awaited", RuntimeWarning, stacklevel=1, source=self)
        elif self.state == YIELDED:
            warnings.warn("coroutine 'rest' was never awaited", RuntimeWarning, stacklevel=1, source=self)


Coroutine.register(Sending)


cdef PySendResult am_send(Sending self, object value, PyObject **result) except? PYGEN_ERROR:
    """Go on, as ``await`` does it: the end is told by a return value, where a StopIteration would cost 400 ns."""
    cdef Plan plan
    if self.state == STARTED:
        return self.go_on(value, None, result)
    if self.state >= EXECUTING:
        raise self.misuse()
    if value is not None:
        raise TypeError("can't send non-None value to a just-started coroutine")
    if self.state == YIELDED:
        self.state = STARTED
        result[0] = Py_NewRef(<PyObject *>self.yielded)
        self.yielded = None
        return PYGEN_NEXT
    plan = plan_for(self.signal, self.arguments[0])
    if plan.watched is not None and plan.count:
        keywords = dict(zip(self.names, self.arguments[1:]))
        self.running = plan.watched.send_async(self.arguments[0], self.wrapper, keywords)
        self.live, self.position = (plan.watched,), 1
    else:
        self.live, self.calls = plan.live(), plan.calls(self.names)
    return self.go_on(None, None, result)


set_am_send(Sending, <void *>am_send)


cdef object told(PySendResult outcome, PyObject *result):
    """Return what was yielded, or raise StopIteration with what was returned."""
    value = <object>result
    Py_DECREF(result)
    if outcome == PYGEN_NEXT:
        return value
    raise StopIteration(value)


cdef object iterator(object awaitable):
    """Return what ``await`` would iterate."""
    try:
        return type(awaitable).__await__(awaitable)
    except AttributeError:
        raise TypeError(f"object {type(awaitable).__name__} can't be used in 'await' expression") from None


cdef PySendResult throw_into(object waiting, object error, PyObject **result) except? PYGEN_ERROR:
    """Throw ``error`` into an awaited iterator; tell the outcome as ``PyIter_Send`` does."""
    cdef PySendResult outcome = PYGEN_NEXT
    try:
        if not hasattr(waiting, "throw"):
            raise error
        found = waiting.throw(error)
    except StopIteration as stop:
        found, outcome = stop.value, PYGEN_RETURN
    result[0] = Py_NewRef(<PyObject *>found)
    return outcome
