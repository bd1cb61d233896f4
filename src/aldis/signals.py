# Rendered from cext/signals.toml and cext/templates/signals.py.jinja by `make generate`; never edited.
"""The lifecycle signals, and the types of their receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from .dispatch.signal import LifecycleSignal, ModelSignal

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Table

    from . import _typed  # pyright: ignore[reportMissingModuleSource]
    from .dispatch.changes import Change

__all__ = [
    "LIFECYCLE",
    "PostBulkReceiver",
    "PostDeleteReceiver",
    "PostMigrateReceiver",
    "PostRelationAddReceiver",
    "PostRelationRemoveReceiver",
    "PostSaveReceiver",
    "PostUpdateReceiver",
    "PreBulkReceiver",
    "PreDeleteReceiver",
    "PreMigrateReceiver",
    "PreRelationAddReceiver",
    "PreRelationRemoveReceiver",
    "PreSaveReceiver",
    "PreUpdateReceiver",
    "RevisionAppliedReceiver",
    "post_bulk",
    "post_delete",
    "post_migrate",
    "post_relation_add",
    "post_relation_remove",
    "post_save",
    "post_update",
    "pre_bulk",
    "pre_delete",
    "pre_migrate",
    "pre_relation_add",
    "pre_relation_remove",
    "pre_save",
    "pre_update",
    "revision_applied",
]

M_contra = TypeVar("M_contra", contravariant=True)

pre_save: Final = cast(
    "_typed.PreSave",
    ModelSignal(
        "pre_save",
        {
            None: (
                "instance",
                "model_instance",
                "values",
                "column_values",
                "is_update",
                "is_migration",
                "changes",
            )
        },
        "Before one row is inserted, or a stored instance is saved again.",
        on_request="changes",
    ),
)
"""Before one row is inserted, or a stored instance is saved again.

Fired by `Model.save()`, `Model.query.create()` and whatever creates through them, a session's flush. Receivers:
:class:`PreSaveReceiver`.
"""


class PreSaveReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_save` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``values``: the values that were passed to the call, by attribute name.
    - ``column_values``: the values for the database, by column key: a ``pre_*`` receiver may change them; in a
        ``post_*`` signal they are the values that were written, server-generated columns included.
    - ``is_update``: ``False`` for an INSERT, ``True`` for an UPDATE.
    - ``is_migration``: ``True`` only while a migration fills a column that was forced to be nullable.
    - ``changes``: the attributes that differ, by name, each as ``Change(old, new)``: the caller's changes in a
        ``pre_*`` signal, the written changes in a ``post_*`` signal; only a receiver that names it gets it; ``None``
        for a statement over many rows, unless the receiver has ``rows=True``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra,
        values: Mapping[str, Any],
        column_values: dict[str, Any],
        is_update: bool,
        is_migration: bool,
        changes: Mapping[str, Change] | None,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_save: Final = cast(
    "_typed.PostSave",
    ModelSignal(
        "post_save",
        {
            None: (
                "instance",
                "model_instance",
                "values",
                "column_values",
                "is_update",
                "is_migration",
                "row_count",
                "operation_skipped",
                "changes",
            )
        },
        "After the row of a `pre_save` is written, in the same transaction.",
        on_request="changes",
    ),
)
"""After the row of a `pre_save` is written, in the same transaction.

Fired by the same as `pre_save`. Receivers: :class:`PostSaveReceiver`.
"""


class PostSaveReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_save` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``values``: the values that were passed to the call, by attribute name.
    - ``column_values``: the values for the database, by column key: a ``pre_*`` receiver may change them; in a
        ``post_*`` signal they are the values that were written, server-generated columns included.
    - ``is_update``: ``False`` for an INSERT, ``True`` for an UPDATE.
    - ``is_migration``: ``True`` only while a migration fills a column that was forced to be nullable.
    - ``row_count``: rows written or deleted; ``None`` where the database does not say.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    - ``changes``: the attributes that differ, by name, each as ``Change(old, new)``: the caller's changes in a
        ``pre_*`` signal, the written changes in a ``post_*`` signal; only a receiver that names it gets it; ``None``
        for a statement over many rows, unless the receiver has ``rows=True``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra,
        values: Mapping[str, Any],
        column_values: dict[str, Any],
        is_update: bool,
        is_migration: bool,
        row_count: int | None,
        operation_skipped: bool,
        changes: Mapping[str, Change] | None,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_update: Final = cast(
    "_typed.PreUpdate",
    ModelSignal(
        "pre_update",
        {
            None: (
                "instance",
                "model_instance",
                "values",
                "column_values",
                "is_update",
                "is_migration",
                "changes",
            )
        },
        "Before stored rows are updated.",
        on_request="changes",
    ),
)
"""Before stored rows are updated.

Fired by `Model.update()`, `Model.query.update()`, `bulk_update`, `apply_default_force_nullable_fields`. Receivers:
:class:`PreUpdateReceiver`.
"""


class PreUpdateReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_update` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``values``: the values that were passed to the call, by attribute name.
    - ``column_values``: the values for the database, by column key: a ``pre_*`` receiver may change them; in a
        ``post_*`` signal they are the values that were written, server-generated columns included.
    - ``is_update``: ``False`` for an INSERT, ``True`` for an UPDATE.
    - ``is_migration``: ``True`` only while a migration fills a column that was forced to be nullable.
    - ``changes``: the attributes that differ, by name, each as ``Change(old, new)``: the caller's changes in a
        ``pre_*`` signal, the written changes in a ``post_*`` signal; only a receiver that names it gets it; ``None``
        for a statement over many rows, unless the receiver has ``rows=True``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra | None,
        values: Mapping[str, Any],
        column_values: dict[str, Any],
        is_update: bool,
        is_migration: bool,
        changes: Mapping[str, Change] | None,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_update: Final = cast(
    "_typed.PostUpdate",
    ModelSignal(
        "post_update",
        {
            None: (
                "instance",
                "model_instance",
                "values",
                "column_values",
                "is_update",
                "is_migration",
                "row_count",
                "operation_skipped",
                "changes",
            )
        },
        "After the rows of a `pre_update` are updated, in the same transaction.",
        on_request="changes",
    ),
)
"""After the rows of a `pre_update` are updated, in the same transaction.

Fired by the same as `pre_update`. Receivers: :class:`PostUpdateReceiver`.
"""


class PostUpdateReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_update` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``values``: the values that were passed to the call, by attribute name.
    - ``column_values``: the values for the database, by column key: a ``pre_*`` receiver may change them; in a
        ``post_*`` signal they are the values that were written, server-generated columns included.
    - ``is_update``: ``False`` for an INSERT, ``True`` for an UPDATE.
    - ``is_migration``: ``True`` only while a migration fills a column that was forced to be nullable.
    - ``row_count``: rows written or deleted; ``None`` where the database does not say.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    - ``changes``: the attributes that differ, by name, each as ``Change(old, new)``: the caller's changes in a
        ``pre_*`` signal, the written changes in a ``post_*`` signal; only a receiver that names it gets it; ``None``
        for a statement over many rows, unless the receiver has ``rows=True``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra | None,
        values: Mapping[str, Any],
        column_values: dict[str, Any],
        is_update: bool,
        is_migration: bool,
        row_count: int | None,
        operation_skipped: bool,
        changes: Mapping[str, Change] | None,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_delete: Final = cast(
    "_typed.PreDelete",
    ModelSignal(
        "pre_delete",
        {
            None: (
                "instance",
                "model_instance",
                "injected_filters",
            )
        },
        "Before rows are deleted.",
    ),
)
"""Before rows are deleted.

Fired by `Model.delete()`, `Model.query.delete()`, a session's flush. Receivers: :class:`PreDeleteReceiver`.
"""


class PreDeleteReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_delete` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``injected_filters``: conditions that narrow a queryset's delete: the receiver's to add to; ``None`` for one
        instance.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra | None,
        injected_filters: list[Any] | None,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_delete: Final = cast(
    "_typed.PostDelete",
    ModelSignal(
        "post_delete",
        {
            None: (
                "instance",
                "model_instance",
                "row_count",
                "operation_skipped",
            )
        },
        "After the rows of a `pre_delete` are deleted, in the same transaction.",
    ),
)
"""After the rows of a `pre_delete` are deleted, in the same transaction.

Fired by the same as `pre_delete`. Receivers: :class:`PostDeleteReceiver`.
"""


class PostDeleteReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_delete` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``model_instance``: the model instance; ``None`` for a statement over many rows, unless the receiver has
        ``rows=True``.
    - ``row_count``: rows written or deleted; ``None`` where the database does not say.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        model_instance: M_contra | None,
        row_count: int | None,
        operation_skipped: bool,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_bulk: Final = cast(
    "_typed.PreBulk",
    ModelSignal(
        "pre_bulk",
        {
            None: (
                "instance",
                "operation",
                "raw_values",
                "create_params",
                "update_params",
                "update_fields",
                "ignore_conflicts",
            )
        },
        "Before a bulk operation, once.",
    ),
)
"""Before a bulk operation, once.

Fired by `bulk_create`, `bulk_update`, `bulk_get_or_create`, `bulk_update_or_create`. Receivers:
:class:`PreBulkReceiver`.
"""


class PreBulkReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_bulk` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``operation``: the name of the bulk method.
    - ``raw_values``: the instances or dictionaries that were passed.
    - ``create_params``: the values that created rows get.
    - ``update_params``: the values that updated rows get.
    - ``update_fields``: the attributes that an update writes.
    - ``ignore_conflicts``: whether rows that exist are passed over.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        operation: str,
        raw_values: Any,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_bulk: Final = cast(
    "_typed.PostBulk",
    ModelSignal(
        "post_bulk",
        {
            None: (
                "instance",
                "operation",
                "raw_values",
                "create_params",
                "update_params",
                "update_fields",
                "ignore_conflicts",
                "row_count_create",
                "row_count_update",
                "operation_skipped",
            )
        },
        "After a bulk operation, once, in the same transaction.",
    ),
)
"""After a bulk operation, once, in the same transaction.

Fired by the same as `pre_bulk`. Receivers: :class:`PostBulkReceiver`.
"""


class PostBulkReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_bulk` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the object whose method was called: the model instance, or the ``QuerySet``.
    - ``operation``: the name of the bulk method.
    - ``raw_values``: the instances or dictionaries that were passed.
    - ``create_params``: the values that created rows get.
    - ``update_params``: the values that updated rows get.
    - ``update_fields``: the attributes that an update writes.
    - ``ignore_conflicts``: whether rows that exist are passed over.
    - ``row_count_create``: rows inserted.
    - ``row_count_update``: rows updated.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        operation: str,
        raw_values: Any,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
        row_count_create: int | None,
        row_count_update: int | None,
        operation_skipped: bool,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_relation_add: Final = cast(
    "_typed.PreRelationAdd",
    ModelSignal(
        "pre_relation_add",
        {
            None: (
                "instance",
                "relation",
                "related",
                "secondary",
            )
        },
        "Before rows of a many-to-many's secondary table are inserted.",
    ),
)
"""Before rows of a many-to-many's secondary table are inserted.

Fired by `instance.relation(name).add()` and `set()`, a session's flush, `Model.save()` of an instance whose collection
was changed. Receivers: :class:`PreRelationAddReceiver`.
"""


class PreRelationAddReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_relation_add` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the instance that has the collection: the owner.
    - ``relation``: the name of the relationship, ``"tags"``.
    - ``related``: the instances at the other end that are linked, or not any more; ``None`` for a ``clear()`` in one
        statement.
    - ``secondary``: the table between the two classes.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        relation: str,
        related: list[Any] | None,
        secondary: Table,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_relation_add: Final = cast(
    "_typed.PostRelationAdd",
    ModelSignal(
        "post_relation_add",
        {
            None: (
                "instance",
                "relation",
                "related",
                "secondary",
                "row_count",
                "operation_skipped",
            )
        },
        "After the rows of a `pre_relation_add` are inserted, in the same transaction.",
    ),
)
"""After the rows of a `pre_relation_add` are inserted, in the same transaction.

Fired by the same as `pre_relation_add`. Receivers: :class:`PostRelationAddReceiver`.
"""


class PostRelationAddReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_relation_add` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the instance that has the collection: the owner.
    - ``relation``: the name of the relationship, ``"tags"``.
    - ``related``: the instances at the other end that are linked, or not any more; ``None`` for a ``clear()`` in one
        statement.
    - ``secondary``: the table between the two classes.
    - ``row_count``: rows written or deleted; ``None`` where the database does not say.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        relation: str,
        related: list[Any] | None,
        secondary: Table,
        row_count: int | None,
        operation_skipped: bool,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_relation_remove: Final = cast(
    "_typed.PreRelationRemove",
    ModelSignal(
        "pre_relation_remove",
        {
            None: (
                "instance",
                "relation",
                "related",
                "secondary",
            )
        },
        "Before rows of a many-to-many's secondary table are deleted.",
    ),
)
"""Before rows of a many-to-many's secondary table are deleted.

Fired by `instance.relation(name).remove()`, `set()` and `clear()`, a session's flush, `Model.save()` of an instance
whose collection was changed, `Model.delete()` of one side. Receivers: :class:`PreRelationRemoveReceiver`.
"""


class PreRelationRemoveReceiver(Protocol[M_contra]):
    """A receiver of :data:`pre_relation_remove` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the instance that has the collection: the owner.
    - ``relation``: the name of the relationship, ``"tags"``.
    - ``related``: the instances at the other end that are linked, or not any more; ``None`` for a ``clear()`` in one
        statement.
    - ``secondary``: the table between the two classes.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        relation: str,
        related: list[Any] | None,
        secondary: Table,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_relation_remove: Final = cast(
    "_typed.PostRelationRemove",
    ModelSignal(
        "post_relation_remove",
        {
            None: (
                "instance",
                "relation",
                "related",
                "secondary",
                "row_count",
                "operation_skipped",
            )
        },
        "After the rows of a `pre_relation_remove` are deleted, in the same transaction.",
    ),
)
"""After the rows of a `pre_relation_remove` are deleted, in the same transaction.

Fired by the same as `pre_relation_remove`. Receivers: :class:`PostRelationRemoveReceiver`.
"""


class PostRelationRemoveReceiver(Protocol[M_contra]):
    """A receiver of :data:`post_relation_remove` that names all of its parameters.

    The sender is the model class. Sent with it:

    - ``instance``: the instance that has the collection: the owner.
    - ``relation``: the name of the relationship, ``"tags"``.
    - ``related``: the instances at the other end that are linked, or not any more; ``None`` for a ``clear()`` in one
        statement.
    - ``secondary``: the table between the two classes.
    - ``row_count``: rows written or deleted; ``None`` where the database does not say.
    - ``operation_skipped``: ``True`` when a ``pre_*`` receiver raised ``SkipOperation``.
    """

    def __call__(
        self,
        sender: type[M_contra],
        /,
        *,
        instance: Any,
        relation: str,
        related: list[Any] | None,
        secondary: Table,
        row_count: int | None,
        operation_skipped: bool,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


pre_migrate: Final = LifecycleSignal(
    "pre_migrate",
    {
        "upgrade": (
            "config",
            "revision",
            "sql",
            "tag",
        ),
        "downgrade": (
            "config",
            "revision",
            "sql",
            "tag",
        ),
        "revision": (
            "config",
            "message",
            "autogenerate",
            "sql",
            "head",
            "splice",
            "branch_label",
            "version_path",
            "revision_id",
        ),
    },
    "Before an Alembic command touches anything.",
)
"""Before an Alembic command touches anything.

Fired by `aldis.migrations.upgrade`, `downgrade`, `revision` and the command line. Receivers:
:class:`PreMigrateReceiver`.
"""


class PreMigrateReceiver(Protocol):
    """A receiver of :data:`pre_migrate` that names all of its parameters.

    The sender is the command, upgrade, downgrade, revision. Sent with it:

    - ``config``: Alembic's configuration.
    - ``revision``: the revision, or range, that was asked for.
    - ``sql``: whether the command only writes SQL (Alembic's offline mode).
    - ``tag``: the tag that ``env.py`` may read.
    - ``message``: the new revision's message.
    - ``autogenerate``: whether the models are compared with the database.
    - ``head``: the head that the new revision follows.
    - ``splice``: whether the new revision may follow one that is no head.
    - ``branch_label``: the label of the branch that the new revision begins.
    - ``version_path``: the directory of the new revision.
    - ``revision_id``: the id of the revision.
    """

    def __call__(
        self,
        sender: str,
        /,
        *,
        config: Config,
        sql: bool,
        **kwargs: Any,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


post_migrate: Final = LifecycleSignal(
    "post_migrate",
    {
        "upgrade": (
            "config",
            "revision",
            "sql",
            "tag",
        ),
        "downgrade": (
            "config",
            "revision",
            "sql",
            "tag",
        ),
        "revision": (
            "config",
            "message",
            "autogenerate",
            "sql",
            "head",
            "splice",
            "branch_label",
            "version_path",
            "revision_id",
        ),
    },
    "After an Alembic command has succeeded.",
)
"""After an Alembic command has succeeded.

Fired by the same as `pre_migrate`. Receivers: :class:`PostMigrateReceiver`.
"""


class PostMigrateReceiver(Protocol):
    """A receiver of :data:`post_migrate` that names all of its parameters.

    The sender is the command, upgrade, downgrade, revision. Sent with it:

    - ``config``: Alembic's configuration.
    - ``revision``: the revision, or range, that was asked for.
    - ``sql``: whether the command only writes SQL (Alembic's offline mode).
    - ``tag``: the tag that ``env.py`` may read.
    - ``message``: the new revision's message.
    - ``autogenerate``: whether the models are compared with the database.
    - ``head``: the head that the new revision follows.
    - ``splice``: whether the new revision may follow one that is no head.
    - ``branch_label``: the label of the branch that the new revision begins.
    - ``version_path``: the directory of the new revision.
    - ``revision_id``: the id of the revision.
    """

    def __call__(
        self,
        sender: str,
        /,
        *,
        config: Config,
        sql: bool,
        **kwargs: Any,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


revision_applied: Final = LifecycleSignal(
    "revision_applied",
    {
        "upgrade": (
            "revision_id",
            "down_revision",
            "connection",
            "seconds",
        ),
        "downgrade": (
            "revision_id",
            "down_revision",
            "connection",
            "seconds",
        ),
    },
    "After one revision was applied or taken back, in the migrations' transaction.",
)
"""After one revision was applied or taken back, in the migrations' transaction.

Fired by `aldis.migrations.upgrade`, `downgrade`, the command line, and any Alembic command whose `env.py` calls
`aldis.migrations.configure`. Receivers: :class:`RevisionAppliedReceiver`.
"""


class RevisionAppliedReceiver(Protocol):
    """A receiver of :data:`revision_applied` that names all of its parameters.

    The sender is the command, upgrade, downgrade. Sent with it:

    - ``revision_id``: the id of the revision.
    - ``down_revision``: the id of the one before it; a tuple where branches merge, ``None`` at the base.
    - ``connection``: the connection that the migrations run on, in their transaction.
    - ``seconds``: how long it took, in seconds.
    """

    def __call__(
        self,
        sender: str,
        /,
        *,
        revision_id: str | None,
        down_revision: Any,
        connection: Connection,
        seconds: float,
        **kwargs: Any,
    ) -> object:
        """Receive the signal; a coroutine function is awaited."""


LIFECYCLE: Final[tuple[LifecycleSignal, ...]] = (
    pre_save,
    post_save,
    pre_update,
    post_update,
    pre_delete,
    post_delete,
    pre_bulk,
    post_bulk,
    pre_relation_add,
    post_relation_add,
    pre_relation_remove,
    post_relation_remove,
    pre_migrate,
    post_migrate,
    revision_applied,
)
"""All of them, in the order of the list."""
