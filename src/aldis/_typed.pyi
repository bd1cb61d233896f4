# Rendered from cext/signals.toml and cext/templates/typed.pyi.jinja by `make generate`; never edited.
# What the lifecycle signals are for a type checker: signals that know the parameters of their receivers.
#
# A receiver takes everything (``**kwargs``), or names what it uses: there is a type
# for each three parameters that one may name. One that names more is not checked here, but when it is connected.

# pyright: reportIncompatibleMethodOverride=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

from sqlalchemy import Table

from .dispatch.batching import Batch
from .dispatch.changes import Change
from .dispatch.signal import LifecycleSignal
from .signals import (
    PostBulkReceiver,
    PostDeleteReceiver,
    PostRelationAddReceiver,
    PostRelationRemoveReceiver,
    PostSaveReceiver,
    PostUpdateReceiver,
    PreBulkReceiver,
    PreDeleteReceiver,
    PreRelationAddReceiver,
    PreRelationRemoveReceiver,
    PreSaveReceiver,
    PreUpdateReceiver,
)

class BatchedReceiver(Protocol):
    def __call__(self, sender: Any, /, *, batch: Batch) -> object: ...

_B = TypeVar("_B", bound=BatchedReceiver)

# With after_commit=True and after_rollback=True a receiver may name ``committed`` too, beside what its signal sends: it
# is checked when it is connected.
_E = TypeVar("_E", bound=Callable[..., object])

class SenderAlone(Protocol):
    def __call__(self, sender: Any, /) -> object: ...

class Instance(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any) -> object: ...

class ModelInstance(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any) -> object: ...

class Values(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any]) -> object: ...

class ColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any]) -> object: ...

class IsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool) -> object: ...

class IsMigration(Protocol):
    def __call__(self, sender: Any, /, *, is_migration: bool) -> object: ...

class Changes(Protocol):
    def __call__(self, sender: Any, /, *, changes: Mapping[str, Change] | None) -> object: ...

class InstanceModelInstance(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any) -> object: ...

class InstanceValues(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, values: Mapping[str, Any]) -> object: ...

class InstanceColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, column_values: dict[str, Any]) -> object: ...

class InstanceIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_update: bool) -> object: ...

class InstanceIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_migration: bool) -> object: ...

class InstanceChanges(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, changes: Mapping[str, Change] | None) -> object: ...

class ModelInstanceValues(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any]) -> object: ...

class ModelInstanceColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any]) -> object: ...

class ModelInstanceIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_update: bool) -> object: ...

class ModelInstanceIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_migration: bool) -> object: ...

class ModelInstanceChanges(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, changes: Mapping[str, Change] | None) -> object: ...

class ValuesColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any]) -> object: ...

class ValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool) -> object: ...

class ValuesIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], is_migration: bool) -> object: ...

class ValuesChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], changes: Mapping[str, Change] | None
    ) -> object: ...

class ColumnValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool) -> object: ...

class ColumnValuesIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], is_migration: bool) -> object: ...

class ColumnValuesChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], changes: Mapping[str, Change] | None
    ) -> object: ...

class IsUpdateIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, is_migration: bool) -> object: ...

class IsUpdateChanges(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, changes: Mapping[str, Change] | None) -> object: ...

class IsMigrationChanges(Protocol):
    def __call__(self, sender: Any, /, *, is_migration: bool, changes: Mapping[str, Change] | None) -> object: ...

class InstanceModelInstanceValues(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any, values: Mapping[str, Any]) -> object: ...

class InstanceModelInstanceColumnValues(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, model_instance: Any, column_values: dict[str, Any]
    ) -> object: ...

class InstanceModelInstanceIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any, is_update: bool) -> object: ...

class InstanceModelInstanceIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any, is_migration: bool) -> object: ...

class InstanceModelInstanceChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, model_instance: Any, changes: Mapping[str, Change] | None
    ) -> object: ...

class InstanceValuesColumnValues(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], column_values: dict[str, Any]
    ) -> object: ...

class InstanceValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], is_update: bool) -> object: ...

class InstanceValuesIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], is_migration: bool) -> object: ...

class InstanceValuesChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], changes: Mapping[str, Change] | None
    ) -> object: ...

class InstanceColumnValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, column_values: dict[str, Any], is_update: bool) -> object: ...

class InstanceColumnValuesIsMigration(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, column_values: dict[str, Any], is_migration: bool
    ) -> object: ...

class InstanceColumnValuesChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, column_values: dict[str, Any], changes: Mapping[str, Change] | None
    ) -> object: ...

class InstanceIsUpdateIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_update: bool, is_migration: bool) -> object: ...

class InstanceIsUpdateChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, is_update: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class InstanceIsMigrationChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, is_migration: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ModelInstanceValuesColumnValues(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], column_values: dict[str, Any]
    ) -> object: ...

class ModelInstanceValuesIsUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], is_update: bool
    ) -> object: ...

class ModelInstanceValuesIsMigration(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], is_migration: bool
    ) -> object: ...

class ModelInstanceValuesChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], changes: Mapping[str, Change] | None
    ) -> object: ...

class ModelInstanceColumnValuesIsUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any], is_update: bool
    ) -> object: ...

class ModelInstanceColumnValuesIsMigration(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any], is_migration: bool
    ) -> object: ...

class ModelInstanceColumnValuesChanges(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        model_instance: Any,
        column_values: dict[str, Any],
        changes: Mapping[str, Change] | None,
    ) -> object: ...

class ModelInstanceIsUpdateIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_update: bool, is_migration: bool) -> object: ...

class ModelInstanceIsUpdateChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, is_update: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ModelInstanceIsMigrationChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, is_migration: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ValuesColumnValuesIsUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any], is_update: bool
    ) -> object: ...

class ValuesColumnValuesIsMigration(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any], is_migration: bool
    ) -> object: ...

class ValuesColumnValuesChanges(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        values: Mapping[str, Any],
        column_values: dict[str, Any],
        changes: Mapping[str, Change] | None,
    ) -> object: ...

class ValuesIsUpdateIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool, is_migration: bool) -> object: ...

class ValuesIsUpdateChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ValuesIsMigrationChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_migration: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ColumnValuesIsUpdateIsMigration(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool, is_migration: bool
    ) -> object: ...

class ColumnValuesIsUpdateChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ColumnValuesIsMigrationChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_migration: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class IsUpdateIsMigrationChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, is_update: bool, is_migration: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class RowCount(Protocol):
    def __call__(self, sender: Any, /, *, row_count: int | None) -> object: ...

class OperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, operation_skipped: bool) -> object: ...

class InstanceRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, row_count: int | None) -> object: ...

class InstanceOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation_skipped: bool) -> object: ...

class ModelInstanceRowCount(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, row_count: int | None) -> object: ...

class ModelInstanceOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, operation_skipped: bool) -> object: ...

class ValuesRowCount(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], row_count: int | None) -> object: ...

class ValuesOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], operation_skipped: bool) -> object: ...

class ColumnValuesRowCount(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], row_count: int | None) -> object: ...

class ColumnValuesOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], operation_skipped: bool) -> object: ...

class IsUpdateRowCount(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, row_count: int | None) -> object: ...

class IsUpdateOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, operation_skipped: bool) -> object: ...

class IsMigrationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, is_migration: bool, row_count: int | None) -> object: ...

class IsMigrationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, is_migration: bool, operation_skipped: bool) -> object: ...

class RowCountOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, row_count: int | None, operation_skipped: bool) -> object: ...

class RowCountChanges(Protocol):
    def __call__(self, sender: Any, /, *, row_count: int | None, changes: Mapping[str, Change] | None) -> object: ...

class OperationSkippedChanges(Protocol):
    def __call__(self, sender: Any, /, *, operation_skipped: bool, changes: Mapping[str, Change] | None) -> object: ...

class InstanceModelInstanceRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any, row_count: int | None) -> object: ...

class InstanceModelInstanceOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, model_instance: Any, operation_skipped: bool) -> object: ...

class InstanceValuesRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], row_count: int | None
    ) -> object: ...

class InstanceValuesOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, values: Mapping[str, Any], operation_skipped: bool
    ) -> object: ...

class InstanceColumnValuesRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, column_values: dict[str, Any], row_count: int | None
    ) -> object: ...

class InstanceColumnValuesOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, column_values: dict[str, Any], operation_skipped: bool
    ) -> object: ...

class InstanceIsUpdateRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_update: bool, row_count: int | None) -> object: ...

class InstanceIsUpdateOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_update: bool, operation_skipped: bool) -> object: ...

class InstanceIsMigrationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_migration: bool, row_count: int | None) -> object: ...

class InstanceIsMigrationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, is_migration: bool, operation_skipped: bool) -> object: ...

class InstanceRowCountOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, row_count: int | None, operation_skipped: bool) -> object: ...

class InstanceRowCountChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, row_count: int | None, changes: Mapping[str, Change] | None
    ) -> object: ...

class InstanceOperationSkippedChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, operation_skipped: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ModelInstanceValuesRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], row_count: int | None
    ) -> object: ...

class ModelInstanceValuesOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any], operation_skipped: bool
    ) -> object: ...

class ModelInstanceColumnValuesRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any], row_count: int | None
    ) -> object: ...

class ModelInstanceColumnValuesOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any], operation_skipped: bool
    ) -> object: ...

class ModelInstanceIsUpdateRowCount(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_update: bool, row_count: int | None) -> object: ...

class ModelInstanceIsUpdateOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_update: bool, operation_skipped: bool) -> object: ...

class ModelInstanceIsMigrationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_migration: bool, row_count: int | None) -> object: ...

class ModelInstanceIsMigrationOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, is_migration: bool, operation_skipped: bool
    ) -> object: ...

class ModelInstanceRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, row_count: int | None, operation_skipped: bool
    ) -> object: ...

class ModelInstanceRowCountChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, row_count: int | None, changes: Mapping[str, Change] | None
    ) -> object: ...

class ModelInstanceOperationSkippedChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, model_instance: Any, operation_skipped: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class ValuesColumnValuesRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any], row_count: int | None
    ) -> object: ...

class ValuesColumnValuesOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any], operation_skipped: bool
    ) -> object: ...

class ValuesIsUpdateRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool, row_count: int | None
    ) -> object: ...

class ValuesIsUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool, operation_skipped: bool
    ) -> object: ...

class ValuesIsMigrationRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_migration: bool, row_count: int | None
    ) -> object: ...

class ValuesIsMigrationOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], is_migration: bool, operation_skipped: bool
    ) -> object: ...

class ValuesRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], row_count: int | None, operation_skipped: bool
    ) -> object: ...

class ValuesRowCountChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, values: Mapping[str, Any], row_count: int | None, changes: Mapping[str, Change] | None
    ) -> object: ...

class ValuesOperationSkippedChanges(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        values: Mapping[str, Any],
        operation_skipped: bool,
        changes: Mapping[str, Change] | None,
    ) -> object: ...

class ColumnValuesIsUpdateRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool, row_count: int | None
    ) -> object: ...

class ColumnValuesIsUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool, operation_skipped: bool
    ) -> object: ...

class ColumnValuesIsMigrationRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_migration: bool, row_count: int | None
    ) -> object: ...

class ColumnValuesIsMigrationOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], is_migration: bool, operation_skipped: bool
    ) -> object: ...

class ColumnValuesRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, column_values: dict[str, Any], row_count: int | None, operation_skipped: bool
    ) -> object: ...

class ColumnValuesRowCountChanges(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        column_values: dict[str, Any],
        row_count: int | None,
        changes: Mapping[str, Change] | None,
    ) -> object: ...

class ColumnValuesOperationSkippedChanges(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        column_values: dict[str, Any],
        operation_skipped: bool,
        changes: Mapping[str, Change] | None,
    ) -> object: ...

class IsUpdateIsMigrationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, is_migration: bool, row_count: int | None) -> object: ...

class IsUpdateIsMigrationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, is_migration: bool, operation_skipped: bool) -> object: ...

class IsUpdateRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, is_update: bool, row_count: int | None, operation_skipped: bool
    ) -> object: ...

class IsUpdateRowCountChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, is_update: bool, row_count: int | None, changes: Mapping[str, Change] | None
    ) -> object: ...

class IsUpdateOperationSkippedChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, is_update: bool, operation_skipped: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class IsMigrationRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, is_migration: bool, row_count: int | None, operation_skipped: bool
    ) -> object: ...

class IsMigrationRowCountChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, is_migration: bool, row_count: int | None, changes: Mapping[str, Change] | None
    ) -> object: ...

class IsMigrationOperationSkippedChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, is_migration: bool, operation_skipped: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class RowCountOperationSkippedChanges(Protocol):
    def __call__(
        self, sender: Any, /, *, row_count: int | None, operation_skipped: bool, changes: Mapping[str, Change] | None
    ) -> object: ...

class InjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, injected_filters: list[Any] | None) -> object: ...

class InstanceInjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, injected_filters: list[Any] | None) -> object: ...

class ModelInstanceInjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, injected_filters: list[Any] | None) -> object: ...

class InstanceModelInstanceInjectedFilters(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, model_instance: Any, injected_filters: list[Any] | None
    ) -> object: ...

class Operation(Protocol):
    def __call__(self, sender: Any, /, *, operation: str) -> object: ...

class RawValues(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any) -> object: ...

class CreateParams(Protocol):
    def __call__(self, sender: Any, /, *, create_params: Mapping[str, Any] | None) -> object: ...

class UpdateParams(Protocol):
    def __call__(self, sender: Any, /, *, update_params: Mapping[str, Any] | None) -> object: ...

class UpdateFields(Protocol):
    def __call__(self, sender: Any, /, *, update_fields: Sequence[str] | None) -> object: ...

class IgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, ignore_conflicts: bool) -> object: ...

class InstanceOperation(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str) -> object: ...

class InstanceRawValues(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, raw_values: Any) -> object: ...

class InstanceCreateParams(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, create_params: Mapping[str, Any] | None) -> object: ...

class InstanceUpdateParams(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, update_params: Mapping[str, Any] | None) -> object: ...

class InstanceUpdateFields(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, update_fields: Sequence[str] | None) -> object: ...

class InstanceIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, ignore_conflicts: bool) -> object: ...

class OperationRawValues(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, raw_values: Any) -> object: ...

class OperationCreateParams(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, create_params: Mapping[str, Any] | None) -> object: ...

class OperationUpdateParams(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, update_params: Mapping[str, Any] | None) -> object: ...

class OperationUpdateFields(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, update_fields: Sequence[str] | None) -> object: ...

class OperationIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, ignore_conflicts: bool) -> object: ...

class RawValuesCreateParams(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, create_params: Mapping[str, Any] | None) -> object: ...

class RawValuesUpdateParams(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, update_params: Mapping[str, Any] | None) -> object: ...

class RawValuesUpdateFields(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, update_fields: Sequence[str] | None) -> object: ...

class RawValuesIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, ignore_conflicts: bool) -> object: ...

class CreateParamsUpdateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, update_params: Mapping[str, Any] | None
    ) -> object: ...

class CreateParamsUpdateFields(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, update_fields: Sequence[str] | None
    ) -> object: ...

class CreateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class UpdateParamsUpdateFields(Protocol):
    def __call__(
        self, sender: Any, /, *, update_params: Mapping[str, Any] | None, update_fields: Sequence[str] | None
    ) -> object: ...

class UpdateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, update_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class UpdateFieldsIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, update_fields: Sequence[str] | None, ignore_conflicts: bool) -> object: ...

class InstanceOperationRawValues(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str, raw_values: Any) -> object: ...

class InstanceOperationCreateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, operation: str, create_params: Mapping[str, Any] | None
    ) -> object: ...

class InstanceOperationUpdateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, operation: str, update_params: Mapping[str, Any] | None
    ) -> object: ...

class InstanceOperationUpdateFields(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, operation: str, update_fields: Sequence[str] | None
    ) -> object: ...

class InstanceOperationIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str, ignore_conflicts: bool) -> object: ...

class InstanceRawValuesCreateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, raw_values: Any, create_params: Mapping[str, Any] | None
    ) -> object: ...

class InstanceRawValuesUpdateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, raw_values: Any, update_params: Mapping[str, Any] | None
    ) -> object: ...

class InstanceRawValuesUpdateFields(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, raw_values: Any, update_fields: Sequence[str] | None
    ) -> object: ...

class InstanceRawValuesIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, raw_values: Any, ignore_conflicts: bool) -> object: ...

class InstanceCreateParamsUpdateParams(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        instance: Any,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
    ) -> object: ...

class InstanceCreateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        instance: Any,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class InstanceCreateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, create_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class InstanceUpdateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        instance: Any,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class InstanceUpdateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class InstanceUpdateFieldsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_fields: Sequence[str] | None, ignore_conflicts: bool
    ) -> object: ...

class OperationRawValuesCreateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, raw_values: Any, create_params: Mapping[str, Any] | None
    ) -> object: ...

class OperationRawValuesUpdateParams(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, raw_values: Any, update_params: Mapping[str, Any] | None
    ) -> object: ...

class OperationRawValuesUpdateFields(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, raw_values: Any, update_fields: Sequence[str] | None
    ) -> object: ...

class OperationRawValuesIgnoreConflicts(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, raw_values: Any, ignore_conflicts: bool) -> object: ...

class OperationCreateParamsUpdateParams(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        operation: str,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
    ) -> object: ...

class OperationCreateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        operation: str,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class OperationCreateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, create_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class OperationUpdateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        operation: str,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class OperationUpdateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class OperationUpdateFieldsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_fields: Sequence[str] | None, ignore_conflicts: bool
    ) -> object: ...

class RawValuesCreateParamsUpdateParams(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        raw_values: Any,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
    ) -> object: ...

class RawValuesCreateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        raw_values: Any,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class RawValuesCreateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, create_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class RawValuesUpdateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        raw_values: Any,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class RawValuesUpdateParamsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_params: Mapping[str, Any] | None, ignore_conflicts: bool
    ) -> object: ...

class RawValuesUpdateFieldsIgnoreConflicts(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_fields: Sequence[str] | None, ignore_conflicts: bool
    ) -> object: ...

class CreateParamsUpdateParamsUpdateFields(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
    ) -> object: ...

class CreateParamsUpdateParamsIgnoreConflicts(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
    ) -> object: ...

class CreateParamsUpdateFieldsIgnoreConflicts(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
    ) -> object: ...

class UpdateParamsUpdateFieldsIgnoreConflicts(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
    ) -> object: ...

class RowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, row_count_create: int | None) -> object: ...

class RowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, row_count_update: int | None) -> object: ...

class InstanceRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, row_count_create: int | None) -> object: ...

class InstanceRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, row_count_update: int | None) -> object: ...

class OperationRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, row_count_create: int | None) -> object: ...

class OperationRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, row_count_update: int | None) -> object: ...

class OperationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, operation_skipped: bool) -> object: ...

class RawValuesRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, row_count_create: int | None) -> object: ...

class RawValuesRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, row_count_update: int | None) -> object: ...

class RawValuesOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, raw_values: Any, operation_skipped: bool) -> object: ...

class CreateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class CreateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class CreateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, create_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class UpdateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, update_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class UpdateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, update_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class UpdateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, update_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class UpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, update_fields: Sequence[str] | None, row_count_create: int | None
    ) -> object: ...

class UpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, update_fields: Sequence[str] | None, row_count_update: int | None
    ) -> object: ...

class UpdateFieldsOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, update_fields: Sequence[str] | None, operation_skipped: bool) -> object: ...

class IgnoreConflictsRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, ignore_conflicts: bool, row_count_create: int | None) -> object: ...

class IgnoreConflictsRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, ignore_conflicts: bool, row_count_update: int | None) -> object: ...

class IgnoreConflictsOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, ignore_conflicts: bool, operation_skipped: bool) -> object: ...

class RowCountCreateRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, row_count_create: int | None, row_count_update: int | None) -> object: ...

class RowCountCreateOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, row_count_create: int | None, operation_skipped: bool) -> object: ...

class RowCountUpdateOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, row_count_update: int | None, operation_skipped: bool) -> object: ...

class InstanceOperationRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str, row_count_create: int | None) -> object: ...

class InstanceOperationRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str, row_count_update: int | None) -> object: ...

class InstanceOperationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, operation: str, operation_skipped: bool) -> object: ...

class InstanceRawValuesRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, raw_values: Any, row_count_create: int | None) -> object: ...

class InstanceRawValuesRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, raw_values: Any, row_count_update: int | None) -> object: ...

class InstanceRawValuesOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, raw_values: Any, operation_skipped: bool) -> object: ...

class InstanceCreateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, create_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class InstanceCreateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, create_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class InstanceCreateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, create_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class InstanceUpdateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class InstanceUpdateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class InstanceUpdateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class InstanceUpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_fields: Sequence[str] | None, row_count_create: int | None
    ) -> object: ...

class InstanceUpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_fields: Sequence[str] | None, row_count_update: int | None
    ) -> object: ...

class InstanceUpdateFieldsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, update_fields: Sequence[str] | None, operation_skipped: bool
    ) -> object: ...

class InstanceIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, ignore_conflicts: bool, row_count_create: int | None
    ) -> object: ...

class InstanceIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, ignore_conflicts: bool, row_count_update: int | None
    ) -> object: ...

class InstanceIgnoreConflictsOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, ignore_conflicts: bool, operation_skipped: bool) -> object: ...

class InstanceRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, row_count_create: int | None, row_count_update: int | None
    ) -> object: ...

class InstanceRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, row_count_create: int | None, operation_skipped: bool
    ) -> object: ...

class InstanceRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, row_count_update: int | None, operation_skipped: bool
    ) -> object: ...

class OperationRawValuesRowCountCreate(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, raw_values: Any, row_count_create: int | None) -> object: ...

class OperationRawValuesRowCountUpdate(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, raw_values: Any, row_count_update: int | None) -> object: ...

class OperationRawValuesOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, operation: str, raw_values: Any, operation_skipped: bool) -> object: ...

class OperationCreateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, create_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class OperationCreateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, create_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class OperationCreateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, create_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class OperationUpdateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class OperationUpdateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class OperationUpdateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class OperationUpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_fields: Sequence[str] | None, row_count_create: int | None
    ) -> object: ...

class OperationUpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_fields: Sequence[str] | None, row_count_update: int | None
    ) -> object: ...

class OperationUpdateFieldsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, update_fields: Sequence[str] | None, operation_skipped: bool
    ) -> object: ...

class OperationIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, ignore_conflicts: bool, row_count_create: int | None
    ) -> object: ...

class OperationIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, ignore_conflicts: bool, row_count_update: int | None
    ) -> object: ...

class OperationIgnoreConflictsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, ignore_conflicts: bool, operation_skipped: bool
    ) -> object: ...

class OperationRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, row_count_create: int | None, row_count_update: int | None
    ) -> object: ...

class OperationRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, row_count_create: int | None, operation_skipped: bool
    ) -> object: ...

class OperationRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, operation: str, row_count_update: int | None, operation_skipped: bool
    ) -> object: ...

class RawValuesCreateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, create_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class RawValuesCreateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, create_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class RawValuesCreateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, create_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class RawValuesUpdateParamsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_params: Mapping[str, Any] | None, row_count_create: int | None
    ) -> object: ...

class RawValuesUpdateParamsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_params: Mapping[str, Any] | None, row_count_update: int | None
    ) -> object: ...

class RawValuesUpdateParamsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_params: Mapping[str, Any] | None, operation_skipped: bool
    ) -> object: ...

class RawValuesUpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_fields: Sequence[str] | None, row_count_create: int | None
    ) -> object: ...

class RawValuesUpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_fields: Sequence[str] | None, row_count_update: int | None
    ) -> object: ...

class RawValuesUpdateFieldsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, update_fields: Sequence[str] | None, operation_skipped: bool
    ) -> object: ...

class RawValuesIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, ignore_conflicts: bool, row_count_create: int | None
    ) -> object: ...

class RawValuesIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, ignore_conflicts: bool, row_count_update: int | None
    ) -> object: ...

class RawValuesIgnoreConflictsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, ignore_conflicts: bool, operation_skipped: bool
    ) -> object: ...

class RawValuesRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, row_count_create: int | None, row_count_update: int | None
    ) -> object: ...

class RawValuesRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, row_count_create: int | None, operation_skipped: bool
    ) -> object: ...

class RawValuesRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, raw_values: Any, row_count_update: int | None, operation_skipped: bool
    ) -> object: ...

class CreateParamsUpdateParamsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        row_count_create: int | None,
    ) -> object: ...

class CreateParamsUpdateParamsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        row_count_update: int | None,
    ) -> object: ...

class CreateParamsUpdateParamsOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_params: Mapping[str, Any] | None,
        operation_skipped: bool,
    ) -> object: ...

class CreateParamsUpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        row_count_create: int | None,
    ) -> object: ...

class CreateParamsUpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        row_count_update: int | None,
    ) -> object: ...

class CreateParamsUpdateFieldsOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        operation_skipped: bool,
    ) -> object: ...

class CreateParamsIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        row_count_create: int | None,
    ) -> object: ...

class CreateParamsIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        row_count_update: int | None,
    ) -> object: ...

class CreateParamsIgnoreConflictsOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        operation_skipped: bool,
    ) -> object: ...

class CreateParamsRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        row_count_create: int | None,
        row_count_update: int | None,
    ) -> object: ...

class CreateParamsRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        row_count_create: int | None,
        operation_skipped: bool,
    ) -> object: ...

class CreateParamsRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        create_params: Mapping[str, Any] | None,
        row_count_update: int | None,
        operation_skipped: bool,
    ) -> object: ...

class UpdateParamsUpdateFieldsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        row_count_create: int | None,
    ) -> object: ...

class UpdateParamsUpdateFieldsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        row_count_update: int | None,
    ) -> object: ...

class UpdateParamsUpdateFieldsOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        update_fields: Sequence[str] | None,
        operation_skipped: bool,
    ) -> object: ...

class UpdateParamsIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        row_count_create: int | None,
    ) -> object: ...

class UpdateParamsIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        row_count_update: int | None,
    ) -> object: ...

class UpdateParamsIgnoreConflictsOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        ignore_conflicts: bool,
        operation_skipped: bool,
    ) -> object: ...

class UpdateParamsRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        row_count_create: int | None,
        row_count_update: int | None,
    ) -> object: ...

class UpdateParamsRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        row_count_create: int | None,
        operation_skipped: bool,
    ) -> object: ...

class UpdateParamsRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_params: Mapping[str, Any] | None,
        row_count_update: int | None,
        operation_skipped: bool,
    ) -> object: ...

class UpdateFieldsIgnoreConflictsRowCountCreate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
        row_count_create: int | None,
    ) -> object: ...

class UpdateFieldsIgnoreConflictsRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_fields: Sequence[str] | None,
        ignore_conflicts: bool,
        row_count_update: int | None,
    ) -> object: ...

class UpdateFieldsIgnoreConflictsOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, update_fields: Sequence[str] | None, ignore_conflicts: bool, operation_skipped: bool
    ) -> object: ...

class UpdateFieldsRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_fields: Sequence[str] | None,
        row_count_create: int | None,
        row_count_update: int | None,
    ) -> object: ...

class UpdateFieldsRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_fields: Sequence[str] | None,
        row_count_create: int | None,
        operation_skipped: bool,
    ) -> object: ...

class UpdateFieldsRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self,
        sender: Any,
        /,
        *,
        update_fields: Sequence[str] | None,
        row_count_update: int | None,
        operation_skipped: bool,
    ) -> object: ...

class IgnoreConflictsRowCountCreateRowCountUpdate(Protocol):
    def __call__(
        self, sender: Any, /, *, ignore_conflicts: bool, row_count_create: int | None, row_count_update: int | None
    ) -> object: ...

class IgnoreConflictsRowCountCreateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, ignore_conflicts: bool, row_count_create: int | None, operation_skipped: bool
    ) -> object: ...

class IgnoreConflictsRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, ignore_conflicts: bool, row_count_update: int | None, operation_skipped: bool
    ) -> object: ...

class RowCountCreateRowCountUpdateOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, row_count_create: int | None, row_count_update: int | None, operation_skipped: bool
    ) -> object: ...

class Relation(Protocol):
    def __call__(self, sender: Any, /, *, relation: str) -> object: ...

class Related(Protocol):
    def __call__(self, sender: Any, /, *, related: list[Any] | None) -> object: ...

class Secondary(Protocol):
    def __call__(self, sender: Any, /, *, secondary: Table) -> object: ...

class InstanceRelation(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, relation: str) -> object: ...

class InstanceRelated(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, related: list[Any] | None) -> object: ...

class InstanceSecondary(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, secondary: Table) -> object: ...

class RelationRelated(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, related: list[Any] | None) -> object: ...

class RelationSecondary(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, secondary: Table) -> object: ...

class RelatedSecondary(Protocol):
    def __call__(self, sender: Any, /, *, related: list[Any] | None, secondary: Table) -> object: ...

class InstanceRelationRelated(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, relation: str, related: list[Any] | None) -> object: ...

class InstanceRelationSecondary(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, relation: str, secondary: Table) -> object: ...

class InstanceRelatedSecondary(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, related: list[Any] | None, secondary: Table) -> object: ...

class RelationRelatedSecondary(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, related: list[Any] | None, secondary: Table) -> object: ...

class RelationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, row_count: int | None) -> object: ...

class RelationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, operation_skipped: bool) -> object: ...

class RelatedRowCount(Protocol):
    def __call__(self, sender: Any, /, *, related: list[Any] | None, row_count: int | None) -> object: ...

class RelatedOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, related: list[Any] | None, operation_skipped: bool) -> object: ...

class SecondaryRowCount(Protocol):
    def __call__(self, sender: Any, /, *, secondary: Table, row_count: int | None) -> object: ...

class SecondaryOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, secondary: Table, operation_skipped: bool) -> object: ...

class InstanceRelationRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, relation: str, row_count: int | None) -> object: ...

class InstanceRelationOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, relation: str, operation_skipped: bool) -> object: ...

class InstanceRelatedRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, related: list[Any] | None, row_count: int | None
    ) -> object: ...

class InstanceRelatedOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, instance: Any, related: list[Any] | None, operation_skipped: bool
    ) -> object: ...

class InstanceSecondaryRowCount(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, secondary: Table, row_count: int | None) -> object: ...

class InstanceSecondaryOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, secondary: Table, operation_skipped: bool) -> object: ...

class RelationRelatedRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, relation: str, related: list[Any] | None, row_count: int | None
    ) -> object: ...

class RelationRelatedOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, relation: str, related: list[Any] | None, operation_skipped: bool
    ) -> object: ...

class RelationSecondaryRowCount(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, secondary: Table, row_count: int | None) -> object: ...

class RelationSecondaryOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, secondary: Table, operation_skipped: bool) -> object: ...

class RelationRowCountOperationSkipped(Protocol):
    def __call__(self, sender: Any, /, *, relation: str, row_count: int | None, operation_skipped: bool) -> object: ...

class RelatedSecondaryRowCount(Protocol):
    def __call__(
        self, sender: Any, /, *, related: list[Any] | None, secondary: Table, row_count: int | None
    ) -> object: ...

class RelatedSecondaryOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, related: list[Any] | None, secondary: Table, operation_skipped: bool
    ) -> object: ...

class RelatedRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, related: list[Any] | None, row_count: int | None, operation_skipped: bool
    ) -> object: ...

class SecondaryRowCountOperationSkipped(Protocol):
    def __call__(
        self, sender: Any, /, *, secondary: Table, row_count: int | None, operation_skipped: bool
    ) -> object: ...

PreSaveReceivers: TypeAlias = (
    PreSaveReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | Values
    | ColumnValues
    | IsUpdate
    | IsMigration
    | Changes
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceChanges
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceChanges
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesChanges
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesChanges
    | IsUpdateIsMigration
    | IsUpdateChanges
    | IsMigrationChanges
    | InstanceModelInstanceValues
    | InstanceModelInstanceColumnValues
    | InstanceModelInstanceIsUpdate
    | InstanceModelInstanceIsMigration
    | InstanceModelInstanceChanges
    | InstanceValuesColumnValues
    | InstanceValuesIsUpdate
    | InstanceValuesIsMigration
    | InstanceValuesChanges
    | InstanceColumnValuesIsUpdate
    | InstanceColumnValuesIsMigration
    | InstanceColumnValuesChanges
    | InstanceIsUpdateIsMigration
    | InstanceIsUpdateChanges
    | InstanceIsMigrationChanges
    | ModelInstanceValuesColumnValues
    | ModelInstanceValuesIsUpdate
    | ModelInstanceValuesIsMigration
    | ModelInstanceValuesChanges
    | ModelInstanceColumnValuesIsUpdate
    | ModelInstanceColumnValuesIsMigration
    | ModelInstanceColumnValuesChanges
    | ModelInstanceIsUpdateIsMigration
    | ModelInstanceIsUpdateChanges
    | ModelInstanceIsMigrationChanges
    | ValuesColumnValuesIsUpdate
    | ValuesColumnValuesIsMigration
    | ValuesColumnValuesChanges
    | ValuesIsUpdateIsMigration
    | ValuesIsUpdateChanges
    | ValuesIsMigrationChanges
    | ColumnValuesIsUpdateIsMigration
    | ColumnValuesIsUpdateChanges
    | ColumnValuesIsMigrationChanges
    | IsUpdateIsMigrationChanges
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PreSaveR = TypeVar("_PreSaveR", bound=PreSaveReceivers)

class PreSave(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreSaveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreSaveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreSaveR], _PreSaveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostSaveReceivers: TypeAlias = (
    PostSaveReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | Values
    | ColumnValues
    | IsUpdate
    | IsMigration
    | RowCount
    | OperationSkipped
    | Changes
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceRowCount
    | InstanceOperationSkipped
    | InstanceChanges
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceRowCount
    | ModelInstanceOperationSkipped
    | ModelInstanceChanges
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesRowCount
    | ValuesOperationSkipped
    | ValuesChanges
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesRowCount
    | ColumnValuesOperationSkipped
    | ColumnValuesChanges
    | IsUpdateIsMigration
    | IsUpdateRowCount
    | IsUpdateOperationSkipped
    | IsUpdateChanges
    | IsMigrationRowCount
    | IsMigrationOperationSkipped
    | IsMigrationChanges
    | RowCountOperationSkipped
    | RowCountChanges
    | OperationSkippedChanges
    | InstanceModelInstanceValues
    | InstanceModelInstanceColumnValues
    | InstanceModelInstanceIsUpdate
    | InstanceModelInstanceIsMigration
    | InstanceModelInstanceRowCount
    | InstanceModelInstanceOperationSkipped
    | InstanceModelInstanceChanges
    | InstanceValuesColumnValues
    | InstanceValuesIsUpdate
    | InstanceValuesIsMigration
    | InstanceValuesRowCount
    | InstanceValuesOperationSkipped
    | InstanceValuesChanges
    | InstanceColumnValuesIsUpdate
    | InstanceColumnValuesIsMigration
    | InstanceColumnValuesRowCount
    | InstanceColumnValuesOperationSkipped
    | InstanceColumnValuesChanges
    | InstanceIsUpdateIsMigration
    | InstanceIsUpdateRowCount
    | InstanceIsUpdateOperationSkipped
    | InstanceIsUpdateChanges
    | InstanceIsMigrationRowCount
    | InstanceIsMigrationOperationSkipped
    | InstanceIsMigrationChanges
    | InstanceRowCountOperationSkipped
    | InstanceRowCountChanges
    | InstanceOperationSkippedChanges
    | ModelInstanceValuesColumnValues
    | ModelInstanceValuesIsUpdate
    | ModelInstanceValuesIsMigration
    | ModelInstanceValuesRowCount
    | ModelInstanceValuesOperationSkipped
    | ModelInstanceValuesChanges
    | ModelInstanceColumnValuesIsUpdate
    | ModelInstanceColumnValuesIsMigration
    | ModelInstanceColumnValuesRowCount
    | ModelInstanceColumnValuesOperationSkipped
    | ModelInstanceColumnValuesChanges
    | ModelInstanceIsUpdateIsMigration
    | ModelInstanceIsUpdateRowCount
    | ModelInstanceIsUpdateOperationSkipped
    | ModelInstanceIsUpdateChanges
    | ModelInstanceIsMigrationRowCount
    | ModelInstanceIsMigrationOperationSkipped
    | ModelInstanceIsMigrationChanges
    | ModelInstanceRowCountOperationSkipped
    | ModelInstanceRowCountChanges
    | ModelInstanceOperationSkippedChanges
    | ValuesColumnValuesIsUpdate
    | ValuesColumnValuesIsMigration
    | ValuesColumnValuesRowCount
    | ValuesColumnValuesOperationSkipped
    | ValuesColumnValuesChanges
    | ValuesIsUpdateIsMigration
    | ValuesIsUpdateRowCount
    | ValuesIsUpdateOperationSkipped
    | ValuesIsUpdateChanges
    | ValuesIsMigrationRowCount
    | ValuesIsMigrationOperationSkipped
    | ValuesIsMigrationChanges
    | ValuesRowCountOperationSkipped
    | ValuesRowCountChanges
    | ValuesOperationSkippedChanges
    | ColumnValuesIsUpdateIsMigration
    | ColumnValuesIsUpdateRowCount
    | ColumnValuesIsUpdateOperationSkipped
    | ColumnValuesIsUpdateChanges
    | ColumnValuesIsMigrationRowCount
    | ColumnValuesIsMigrationOperationSkipped
    | ColumnValuesIsMigrationChanges
    | ColumnValuesRowCountOperationSkipped
    | ColumnValuesRowCountChanges
    | ColumnValuesOperationSkippedChanges
    | IsUpdateIsMigrationRowCount
    | IsUpdateIsMigrationOperationSkipped
    | IsUpdateIsMigrationChanges
    | IsUpdateRowCountOperationSkipped
    | IsUpdateRowCountChanges
    | IsUpdateOperationSkippedChanges
    | IsMigrationRowCountOperationSkipped
    | IsMigrationRowCountChanges
    | IsMigrationOperationSkippedChanges
    | RowCountOperationSkippedChanges
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PostSaveR = TypeVar("_PostSaveR", bound=PostSaveReceivers)

class PostSave(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostSaveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostSaveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostSaveR], _PostSaveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PreUpdateReceivers: TypeAlias = (
    PreUpdateReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | Values
    | ColumnValues
    | IsUpdate
    | IsMigration
    | Changes
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceChanges
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceChanges
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesChanges
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesChanges
    | IsUpdateIsMigration
    | IsUpdateChanges
    | IsMigrationChanges
    | InstanceModelInstanceValues
    | InstanceModelInstanceColumnValues
    | InstanceModelInstanceIsUpdate
    | InstanceModelInstanceIsMigration
    | InstanceModelInstanceChanges
    | InstanceValuesColumnValues
    | InstanceValuesIsUpdate
    | InstanceValuesIsMigration
    | InstanceValuesChanges
    | InstanceColumnValuesIsUpdate
    | InstanceColumnValuesIsMigration
    | InstanceColumnValuesChanges
    | InstanceIsUpdateIsMigration
    | InstanceIsUpdateChanges
    | InstanceIsMigrationChanges
    | ModelInstanceValuesColumnValues
    | ModelInstanceValuesIsUpdate
    | ModelInstanceValuesIsMigration
    | ModelInstanceValuesChanges
    | ModelInstanceColumnValuesIsUpdate
    | ModelInstanceColumnValuesIsMigration
    | ModelInstanceColumnValuesChanges
    | ModelInstanceIsUpdateIsMigration
    | ModelInstanceIsUpdateChanges
    | ModelInstanceIsMigrationChanges
    | ValuesColumnValuesIsUpdate
    | ValuesColumnValuesIsMigration
    | ValuesColumnValuesChanges
    | ValuesIsUpdateIsMigration
    | ValuesIsUpdateChanges
    | ValuesIsMigrationChanges
    | ColumnValuesIsUpdateIsMigration
    | ColumnValuesIsUpdateChanges
    | ColumnValuesIsMigrationChanges
    | IsUpdateIsMigrationChanges
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PreUpdateR = TypeVar("_PreUpdateR", bound=PreUpdateReceivers)

class PreUpdate(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreUpdateR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreUpdateR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreUpdateR], _PreUpdateR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostUpdateReceivers: TypeAlias = (
    PostUpdateReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | Values
    | ColumnValues
    | IsUpdate
    | IsMigration
    | RowCount
    | OperationSkipped
    | Changes
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceRowCount
    | InstanceOperationSkipped
    | InstanceChanges
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceRowCount
    | ModelInstanceOperationSkipped
    | ModelInstanceChanges
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesRowCount
    | ValuesOperationSkipped
    | ValuesChanges
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesRowCount
    | ColumnValuesOperationSkipped
    | ColumnValuesChanges
    | IsUpdateIsMigration
    | IsUpdateRowCount
    | IsUpdateOperationSkipped
    | IsUpdateChanges
    | IsMigrationRowCount
    | IsMigrationOperationSkipped
    | IsMigrationChanges
    | RowCountOperationSkipped
    | RowCountChanges
    | OperationSkippedChanges
    | InstanceModelInstanceValues
    | InstanceModelInstanceColumnValues
    | InstanceModelInstanceIsUpdate
    | InstanceModelInstanceIsMigration
    | InstanceModelInstanceRowCount
    | InstanceModelInstanceOperationSkipped
    | InstanceModelInstanceChanges
    | InstanceValuesColumnValues
    | InstanceValuesIsUpdate
    | InstanceValuesIsMigration
    | InstanceValuesRowCount
    | InstanceValuesOperationSkipped
    | InstanceValuesChanges
    | InstanceColumnValuesIsUpdate
    | InstanceColumnValuesIsMigration
    | InstanceColumnValuesRowCount
    | InstanceColumnValuesOperationSkipped
    | InstanceColumnValuesChanges
    | InstanceIsUpdateIsMigration
    | InstanceIsUpdateRowCount
    | InstanceIsUpdateOperationSkipped
    | InstanceIsUpdateChanges
    | InstanceIsMigrationRowCount
    | InstanceIsMigrationOperationSkipped
    | InstanceIsMigrationChanges
    | InstanceRowCountOperationSkipped
    | InstanceRowCountChanges
    | InstanceOperationSkippedChanges
    | ModelInstanceValuesColumnValues
    | ModelInstanceValuesIsUpdate
    | ModelInstanceValuesIsMigration
    | ModelInstanceValuesRowCount
    | ModelInstanceValuesOperationSkipped
    | ModelInstanceValuesChanges
    | ModelInstanceColumnValuesIsUpdate
    | ModelInstanceColumnValuesIsMigration
    | ModelInstanceColumnValuesRowCount
    | ModelInstanceColumnValuesOperationSkipped
    | ModelInstanceColumnValuesChanges
    | ModelInstanceIsUpdateIsMigration
    | ModelInstanceIsUpdateRowCount
    | ModelInstanceIsUpdateOperationSkipped
    | ModelInstanceIsUpdateChanges
    | ModelInstanceIsMigrationRowCount
    | ModelInstanceIsMigrationOperationSkipped
    | ModelInstanceIsMigrationChanges
    | ModelInstanceRowCountOperationSkipped
    | ModelInstanceRowCountChanges
    | ModelInstanceOperationSkippedChanges
    | ValuesColumnValuesIsUpdate
    | ValuesColumnValuesIsMigration
    | ValuesColumnValuesRowCount
    | ValuesColumnValuesOperationSkipped
    | ValuesColumnValuesChanges
    | ValuesIsUpdateIsMigration
    | ValuesIsUpdateRowCount
    | ValuesIsUpdateOperationSkipped
    | ValuesIsUpdateChanges
    | ValuesIsMigrationRowCount
    | ValuesIsMigrationOperationSkipped
    | ValuesIsMigrationChanges
    | ValuesRowCountOperationSkipped
    | ValuesRowCountChanges
    | ValuesOperationSkippedChanges
    | ColumnValuesIsUpdateIsMigration
    | ColumnValuesIsUpdateRowCount
    | ColumnValuesIsUpdateOperationSkipped
    | ColumnValuesIsUpdateChanges
    | ColumnValuesIsMigrationRowCount
    | ColumnValuesIsMigrationOperationSkipped
    | ColumnValuesIsMigrationChanges
    | ColumnValuesRowCountOperationSkipped
    | ColumnValuesRowCountChanges
    | ColumnValuesOperationSkippedChanges
    | IsUpdateIsMigrationRowCount
    | IsUpdateIsMigrationOperationSkipped
    | IsUpdateIsMigrationChanges
    | IsUpdateRowCountOperationSkipped
    | IsUpdateRowCountChanges
    | IsUpdateOperationSkippedChanges
    | IsMigrationRowCountOperationSkipped
    | IsMigrationRowCountChanges
    | IsMigrationOperationSkippedChanges
    | RowCountOperationSkippedChanges
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PostUpdateR = TypeVar("_PostUpdateR", bound=PostUpdateReceivers)

class PostUpdate(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostUpdateR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostUpdateR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostUpdateR], _PostUpdateR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PreDeleteReceivers: TypeAlias = (
    PreDeleteReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | InjectedFilters
    | InstanceModelInstance
    | InstanceInjectedFilters
    | ModelInstanceInjectedFilters
    | InstanceModelInstanceInjectedFilters
)
_PreDeleteR = TypeVar("_PreDeleteR", bound=PreDeleteReceivers)

class PreDelete(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreDeleteR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreDeleteR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreDeleteR], _PreDeleteR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostDeleteReceivers: TypeAlias = (
    PostDeleteReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | RowCount
    | OperationSkipped
    | InstanceModelInstance
    | InstanceRowCount
    | InstanceOperationSkipped
    | ModelInstanceRowCount
    | ModelInstanceOperationSkipped
    | RowCountOperationSkipped
    | InstanceModelInstanceRowCount
    | InstanceModelInstanceOperationSkipped
    | InstanceRowCountOperationSkipped
    | ModelInstanceRowCountOperationSkipped
    | Callable[[Any, Any, Any, Any, Any], object]
)
_PostDeleteR = TypeVar("_PostDeleteR", bound=PostDeleteReceivers)

class PostDelete(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostDeleteR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostDeleteR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostDeleteR], _PostDeleteR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PreBulkReceivers: TypeAlias = (
    PreBulkReceiver[Any]
    | SenderAlone
    | Instance
    | Operation
    | RawValues
    | CreateParams
    | UpdateParams
    | UpdateFields
    | IgnoreConflicts
    | InstanceOperation
    | InstanceRawValues
    | InstanceCreateParams
    | InstanceUpdateParams
    | InstanceUpdateFields
    | InstanceIgnoreConflicts
    | OperationRawValues
    | OperationCreateParams
    | OperationUpdateParams
    | OperationUpdateFields
    | OperationIgnoreConflicts
    | RawValuesCreateParams
    | RawValuesUpdateParams
    | RawValuesUpdateFields
    | RawValuesIgnoreConflicts
    | CreateParamsUpdateParams
    | CreateParamsUpdateFields
    | CreateParamsIgnoreConflicts
    | UpdateParamsUpdateFields
    | UpdateParamsIgnoreConflicts
    | UpdateFieldsIgnoreConflicts
    | InstanceOperationRawValues
    | InstanceOperationCreateParams
    | InstanceOperationUpdateParams
    | InstanceOperationUpdateFields
    | InstanceOperationIgnoreConflicts
    | InstanceRawValuesCreateParams
    | InstanceRawValuesUpdateParams
    | InstanceRawValuesUpdateFields
    | InstanceRawValuesIgnoreConflicts
    | InstanceCreateParamsUpdateParams
    | InstanceCreateParamsUpdateFields
    | InstanceCreateParamsIgnoreConflicts
    | InstanceUpdateParamsUpdateFields
    | InstanceUpdateParamsIgnoreConflicts
    | InstanceUpdateFieldsIgnoreConflicts
    | OperationRawValuesCreateParams
    | OperationRawValuesUpdateParams
    | OperationRawValuesUpdateFields
    | OperationRawValuesIgnoreConflicts
    | OperationCreateParamsUpdateParams
    | OperationCreateParamsUpdateFields
    | OperationCreateParamsIgnoreConflicts
    | OperationUpdateParamsUpdateFields
    | OperationUpdateParamsIgnoreConflicts
    | OperationUpdateFieldsIgnoreConflicts
    | RawValuesCreateParamsUpdateParams
    | RawValuesCreateParamsUpdateFields
    | RawValuesCreateParamsIgnoreConflicts
    | RawValuesUpdateParamsUpdateFields
    | RawValuesUpdateParamsIgnoreConflicts
    | RawValuesUpdateFieldsIgnoreConflicts
    | CreateParamsUpdateParamsUpdateFields
    | CreateParamsUpdateParamsIgnoreConflicts
    | CreateParamsUpdateFieldsIgnoreConflicts
    | UpdateParamsUpdateFieldsIgnoreConflicts
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PreBulkR = TypeVar("_PreBulkR", bound=PreBulkReceivers)

class PreBulk(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreBulkR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreBulkR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreBulkR], _PreBulkR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostBulkReceivers: TypeAlias = (
    PostBulkReceiver[Any]
    | SenderAlone
    | Instance
    | Operation
    | RawValues
    | CreateParams
    | UpdateParams
    | UpdateFields
    | IgnoreConflicts
    | RowCountCreate
    | RowCountUpdate
    | OperationSkipped
    | InstanceOperation
    | InstanceRawValues
    | InstanceCreateParams
    | InstanceUpdateParams
    | InstanceUpdateFields
    | InstanceIgnoreConflicts
    | InstanceRowCountCreate
    | InstanceRowCountUpdate
    | InstanceOperationSkipped
    | OperationRawValues
    | OperationCreateParams
    | OperationUpdateParams
    | OperationUpdateFields
    | OperationIgnoreConflicts
    | OperationRowCountCreate
    | OperationRowCountUpdate
    | OperationOperationSkipped
    | RawValuesCreateParams
    | RawValuesUpdateParams
    | RawValuesUpdateFields
    | RawValuesIgnoreConflicts
    | RawValuesRowCountCreate
    | RawValuesRowCountUpdate
    | RawValuesOperationSkipped
    | CreateParamsUpdateParams
    | CreateParamsUpdateFields
    | CreateParamsIgnoreConflicts
    | CreateParamsRowCountCreate
    | CreateParamsRowCountUpdate
    | CreateParamsOperationSkipped
    | UpdateParamsUpdateFields
    | UpdateParamsIgnoreConflicts
    | UpdateParamsRowCountCreate
    | UpdateParamsRowCountUpdate
    | UpdateParamsOperationSkipped
    | UpdateFieldsIgnoreConflicts
    | UpdateFieldsRowCountCreate
    | UpdateFieldsRowCountUpdate
    | UpdateFieldsOperationSkipped
    | IgnoreConflictsRowCountCreate
    | IgnoreConflictsRowCountUpdate
    | IgnoreConflictsOperationSkipped
    | RowCountCreateRowCountUpdate
    | RowCountCreateOperationSkipped
    | RowCountUpdateOperationSkipped
    | InstanceOperationRawValues
    | InstanceOperationCreateParams
    | InstanceOperationUpdateParams
    | InstanceOperationUpdateFields
    | InstanceOperationIgnoreConflicts
    | InstanceOperationRowCountCreate
    | InstanceOperationRowCountUpdate
    | InstanceOperationOperationSkipped
    | InstanceRawValuesCreateParams
    | InstanceRawValuesUpdateParams
    | InstanceRawValuesUpdateFields
    | InstanceRawValuesIgnoreConflicts
    | InstanceRawValuesRowCountCreate
    | InstanceRawValuesRowCountUpdate
    | InstanceRawValuesOperationSkipped
    | InstanceCreateParamsUpdateParams
    | InstanceCreateParamsUpdateFields
    | InstanceCreateParamsIgnoreConflicts
    | InstanceCreateParamsRowCountCreate
    | InstanceCreateParamsRowCountUpdate
    | InstanceCreateParamsOperationSkipped
    | InstanceUpdateParamsUpdateFields
    | InstanceUpdateParamsIgnoreConflicts
    | InstanceUpdateParamsRowCountCreate
    | InstanceUpdateParamsRowCountUpdate
    | InstanceUpdateParamsOperationSkipped
    | InstanceUpdateFieldsIgnoreConflicts
    | InstanceUpdateFieldsRowCountCreate
    | InstanceUpdateFieldsRowCountUpdate
    | InstanceUpdateFieldsOperationSkipped
    | InstanceIgnoreConflictsRowCountCreate
    | InstanceIgnoreConflictsRowCountUpdate
    | InstanceIgnoreConflictsOperationSkipped
    | InstanceRowCountCreateRowCountUpdate
    | InstanceRowCountCreateOperationSkipped
    | InstanceRowCountUpdateOperationSkipped
    | OperationRawValuesCreateParams
    | OperationRawValuesUpdateParams
    | OperationRawValuesUpdateFields
    | OperationRawValuesIgnoreConflicts
    | OperationRawValuesRowCountCreate
    | OperationRawValuesRowCountUpdate
    | OperationRawValuesOperationSkipped
    | OperationCreateParamsUpdateParams
    | OperationCreateParamsUpdateFields
    | OperationCreateParamsIgnoreConflicts
    | OperationCreateParamsRowCountCreate
    | OperationCreateParamsRowCountUpdate
    | OperationCreateParamsOperationSkipped
    | OperationUpdateParamsUpdateFields
    | OperationUpdateParamsIgnoreConflicts
    | OperationUpdateParamsRowCountCreate
    | OperationUpdateParamsRowCountUpdate
    | OperationUpdateParamsOperationSkipped
    | OperationUpdateFieldsIgnoreConflicts
    | OperationUpdateFieldsRowCountCreate
    | OperationUpdateFieldsRowCountUpdate
    | OperationUpdateFieldsOperationSkipped
    | OperationIgnoreConflictsRowCountCreate
    | OperationIgnoreConflictsRowCountUpdate
    | OperationIgnoreConflictsOperationSkipped
    | OperationRowCountCreateRowCountUpdate
    | OperationRowCountCreateOperationSkipped
    | OperationRowCountUpdateOperationSkipped
    | RawValuesCreateParamsUpdateParams
    | RawValuesCreateParamsUpdateFields
    | RawValuesCreateParamsIgnoreConflicts
    | RawValuesCreateParamsRowCountCreate
    | RawValuesCreateParamsRowCountUpdate
    | RawValuesCreateParamsOperationSkipped
    | RawValuesUpdateParamsUpdateFields
    | RawValuesUpdateParamsIgnoreConflicts
    | RawValuesUpdateParamsRowCountCreate
    | RawValuesUpdateParamsRowCountUpdate
    | RawValuesUpdateParamsOperationSkipped
    | RawValuesUpdateFieldsIgnoreConflicts
    | RawValuesUpdateFieldsRowCountCreate
    | RawValuesUpdateFieldsRowCountUpdate
    | RawValuesUpdateFieldsOperationSkipped
    | RawValuesIgnoreConflictsRowCountCreate
    | RawValuesIgnoreConflictsRowCountUpdate
    | RawValuesIgnoreConflictsOperationSkipped
    | RawValuesRowCountCreateRowCountUpdate
    | RawValuesRowCountCreateOperationSkipped
    | RawValuesRowCountUpdateOperationSkipped
    | CreateParamsUpdateParamsUpdateFields
    | CreateParamsUpdateParamsIgnoreConflicts
    | CreateParamsUpdateParamsRowCountCreate
    | CreateParamsUpdateParamsRowCountUpdate
    | CreateParamsUpdateParamsOperationSkipped
    | CreateParamsUpdateFieldsIgnoreConflicts
    | CreateParamsUpdateFieldsRowCountCreate
    | CreateParamsUpdateFieldsRowCountUpdate
    | CreateParamsUpdateFieldsOperationSkipped
    | CreateParamsIgnoreConflictsRowCountCreate
    | CreateParamsIgnoreConflictsRowCountUpdate
    | CreateParamsIgnoreConflictsOperationSkipped
    | CreateParamsRowCountCreateRowCountUpdate
    | CreateParamsRowCountCreateOperationSkipped
    | CreateParamsRowCountUpdateOperationSkipped
    | UpdateParamsUpdateFieldsIgnoreConflicts
    | UpdateParamsUpdateFieldsRowCountCreate
    | UpdateParamsUpdateFieldsRowCountUpdate
    | UpdateParamsUpdateFieldsOperationSkipped
    | UpdateParamsIgnoreConflictsRowCountCreate
    | UpdateParamsIgnoreConflictsRowCountUpdate
    | UpdateParamsIgnoreConflictsOperationSkipped
    | UpdateParamsRowCountCreateRowCountUpdate
    | UpdateParamsRowCountCreateOperationSkipped
    | UpdateParamsRowCountUpdateOperationSkipped
    | UpdateFieldsIgnoreConflictsRowCountCreate
    | UpdateFieldsIgnoreConflictsRowCountUpdate
    | UpdateFieldsIgnoreConflictsOperationSkipped
    | UpdateFieldsRowCountCreateRowCountUpdate
    | UpdateFieldsRowCountCreateOperationSkipped
    | UpdateFieldsRowCountUpdateOperationSkipped
    | IgnoreConflictsRowCountCreateRowCountUpdate
    | IgnoreConflictsRowCountCreateOperationSkipped
    | IgnoreConflictsRowCountUpdateOperationSkipped
    | RowCountCreateRowCountUpdateOperationSkipped
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PostBulkR = TypeVar("_PostBulkR", bound=PostBulkReceivers)

class PostBulk(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostBulkR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostBulkR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostBulkR], _PostBulkR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PreRelationAddReceivers: TypeAlias = (
    PreRelationAddReceiver[Any]
    | SenderAlone
    | Instance
    | Relation
    | Related
    | Secondary
    | InstanceRelation
    | InstanceRelated
    | InstanceSecondary
    | RelationRelated
    | RelationSecondary
    | RelatedSecondary
    | InstanceRelationRelated
    | InstanceRelationSecondary
    | InstanceRelatedSecondary
    | RelationRelatedSecondary
    | Callable[[Any, Any, Any, Any, Any], object]
)
_PreRelationAddR = TypeVar("_PreRelationAddR", bound=PreRelationAddReceivers)

class PreRelationAdd(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreRelationAddR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreRelationAddR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreRelationAddR], _PreRelationAddR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostRelationAddReceivers: TypeAlias = (
    PostRelationAddReceiver[Any]
    | SenderAlone
    | Instance
    | Relation
    | Related
    | Secondary
    | RowCount
    | OperationSkipped
    | InstanceRelation
    | InstanceRelated
    | InstanceSecondary
    | InstanceRowCount
    | InstanceOperationSkipped
    | RelationRelated
    | RelationSecondary
    | RelationRowCount
    | RelationOperationSkipped
    | RelatedSecondary
    | RelatedRowCount
    | RelatedOperationSkipped
    | SecondaryRowCount
    | SecondaryOperationSkipped
    | RowCountOperationSkipped
    | InstanceRelationRelated
    | InstanceRelationSecondary
    | InstanceRelationRowCount
    | InstanceRelationOperationSkipped
    | InstanceRelatedSecondary
    | InstanceRelatedRowCount
    | InstanceRelatedOperationSkipped
    | InstanceSecondaryRowCount
    | InstanceSecondaryOperationSkipped
    | InstanceRowCountOperationSkipped
    | RelationRelatedSecondary
    | RelationRelatedRowCount
    | RelationRelatedOperationSkipped
    | RelationSecondaryRowCount
    | RelationSecondaryOperationSkipped
    | RelationRowCountOperationSkipped
    | RelatedSecondaryRowCount
    | RelatedSecondaryOperationSkipped
    | RelatedRowCountOperationSkipped
    | SecondaryRowCountOperationSkipped
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
)
_PostRelationAddR = TypeVar("_PostRelationAddR", bound=PostRelationAddReceivers)

class PostRelationAdd(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostRelationAddR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostRelationAddR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostRelationAddR], _PostRelationAddR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PreRelationRemoveReceivers: TypeAlias = (
    PreRelationRemoveReceiver[Any]
    | SenderAlone
    | Instance
    | Relation
    | Related
    | Secondary
    | InstanceRelation
    | InstanceRelated
    | InstanceSecondary
    | RelationRelated
    | RelationSecondary
    | RelatedSecondary
    | InstanceRelationRelated
    | InstanceRelationSecondary
    | InstanceRelatedSecondary
    | RelationRelatedSecondary
    | Callable[[Any, Any, Any, Any, Any], object]
)
_PreRelationRemoveR = TypeVar("_PreRelationRemoveR", bound=PreRelationRemoveReceivers)

class PreRelationRemove(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PreRelationRemoveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PreRelationRemoveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PreRelationRemoveR], _PreRelationRemoveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...

PostRelationRemoveReceivers: TypeAlias = (
    PostRelationRemoveReceiver[Any]
    | SenderAlone
    | Instance
    | Relation
    | Related
    | Secondary
    | RowCount
    | OperationSkipped
    | InstanceRelation
    | InstanceRelated
    | InstanceSecondary
    | InstanceRowCount
    | InstanceOperationSkipped
    | RelationRelated
    | RelationSecondary
    | RelationRowCount
    | RelationOperationSkipped
    | RelatedSecondary
    | RelatedRowCount
    | RelatedOperationSkipped
    | SecondaryRowCount
    | SecondaryOperationSkipped
    | RowCountOperationSkipped
    | InstanceRelationRelated
    | InstanceRelationSecondary
    | InstanceRelationRowCount
    | InstanceRelationOperationSkipped
    | InstanceRelatedSecondary
    | InstanceRelatedRowCount
    | InstanceRelatedOperationSkipped
    | InstanceSecondaryRowCount
    | InstanceSecondaryOperationSkipped
    | InstanceRowCountOperationSkipped
    | RelationRelatedSecondary
    | RelationRelatedRowCount
    | RelationRelatedOperationSkipped
    | RelationSecondaryRowCount
    | RelationSecondaryOperationSkipped
    | RelationRowCountOperationSkipped
    | RelatedSecondaryRowCount
    | RelatedSecondaryOperationSkipped
    | RelatedRowCountOperationSkipped
    | SecondaryRowCountOperationSkipped
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
)
_PostRelationRemoveR = TypeVar("_PostRelationRemoveR", bound=PostRelationRemoveReceivers)

class PostRelationRemove(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _E,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _E: ...
    @overload
    def connect(
        self,
        receiver: _PostRelationRemoveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _PostRelationRemoveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: Literal[True],
        after_rollback: Literal[True],
        batched: bool = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_E], _E]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[False] = False,
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_PostRelationRemoveR], _PostRelationRemoveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: Literal[True],
        rows: Literal[False] = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[_B], _B]: ...
