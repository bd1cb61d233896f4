"""psycopg: one statement, with those before it, in one trip by libpq itself.

psycopg's own pipeline takes five locks, three waits and a cursor for it: a third of a save. The statements are
prepared as psycopg prepares them, under its names and by its count.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

from psycopg import OperationalError
from psycopg._preparing import Prepare
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus

from .outcome import Outcome

__all__ = ["Trip"]


class Trip:
    """One trip to the server.

    Args:
        driver: The psycopg connection.
        control: The statements that go before.
        sql: The statement.
        parameters: Its parameters.
    """

    __slots__ = ("control", "driver", "parameters", "results", "sql", "transformer")

    def __init__(self, driver: Any, control: Sequence[str], sql: str, parameters: Sequence[Any]) -> None:
        self.driver = driver
        self.control = control
        self.sql = sql
        self.parameters = parameters
        self.transformer = Transformer(driver)
        self.results: list[Any] = []
        """libpq's results: of the statements before, and then of the statement."""

    def steps(self) -> Generator[Any, Any, None]:
        """Send the statements and read the answers: a generator for psycopg's ``wait()``."""
        driver, query = self.driver, PostgresQuery(self.transformer)
        pgconn, statements = driver.pgconn, driver._prepared
        query.convert(self.sql.encode(self.transformer.encoding), self.parameters)
        prepare, name = statements.get(query)
        pgconn.enter_pipeline_mode()
        try:
            try:
                for statement in self.control:
                    pgconn.send_query_params(statement.encode(), None)
                if prepare is Prepare.SHOULD:
                    pgconn.send_prepare(name, query.query, param_types=query.types)
                if prepare is Prepare.NO:
                    pgconn.send_query_params(
                        query.query, query.params, param_types=query.types, param_formats=query.formats
                    )
                else:
                    pgconn.send_query_prepared(name, query.params, param_formats=query.formats)
                key = statements.maybe_add_to_cache(query, prepare, name)
            finally:  # libpq may refuse a parameter: it leaves the pipeline once all that was sent is answered
                pgconn.pipeline_sync()
                yield from send(pgconn)
                while (found := (yield from fetch_many(pgconn))) and found[0].status != ExecStatus.PIPELINE_SYNC:
                    self.results += found
        finally:
            with suppress(OperationalError):  # of a connection that is lost
                pgconn.exit_pipeline_mode()
        if key is not None:
            statements.validate(key, prepare, name, self.results[-1:])
        yield from statements.maintain_gen(driver)

    def is_settled(self) -> bool:
        """Tell whether the statements before have run."""
        done = self.results[: len(self.control)]
        return len(done) == len(self.control) and all(each.status == ExecStatus.COMMAND_OK for each in done)

    def outcome(self) -> Outcome:
        """Return the outcome of the statement.

        Raises:
            Error: The database refused it, or one before it.
        """
        for result in self.results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result, encoding=self.transformer.encoding)
        result = self.results[-1]
        if result.status == ExecStatus.COMMAND_OK:
            return Outcome(None, result.command_tuples or 0)
        self.transformer.set_pgresult(result)
        return Outcome(self.transformer.load_row(0, tuple) if result.ntuples else None, result.ntuples)
