"""The judge: aldis' calls on rows, compared with SQLAlchemy's on the same rows.

An example is a mapped class, a table, some rows and a call. aldis makes the call; a plain session of SQLAlchemy does
the same to a twin of the table. The stored rows, the instances, the events and the error must be equal, but for the
six rules of ``meant.py``. Only the public interfaces of aldis and SQLAlchemy are used, so that the same judge runs
against any version of aldis.

Each file has one subject:

- ``columns.py``, ``classes.py``, ``tables.py``: the kinds of columns, classes and tables, as source text
- ``calls.py``: the calls, as aldis makes them and as SQLAlchemy does
- ``pairs.py``: a mapped class and its twin; the stock of pairs that the examples draw from
- ``examples.py``: an example, and how it is drawn
- ``outcomes.py``: an example is performed, and the outcome is read
- ``differences.py``, ``meant.py``: the comparison, and the six rules
- ``running.py``, ``shrinking.py``, ``report.py``, ``__main__.py``: many examples, and the report on them

``python -m tests.judge --driver aiosqlite --examples 500 --seed 1`` prints each kind of difference that it finds with
an example. ``python -m tests.judge --replay "Example(...)"`` performs one example and prints both outcomes.
"""
