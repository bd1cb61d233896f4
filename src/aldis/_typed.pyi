# Rendered from cext/signals.toml and cext/templates/typed.pyi.jinja by `make generate`; never edited.
# What the lifecycle signals are for a type checker: signals that know the parameters of their receivers.
#
# A receiver takes everything (``**kwargs``), or names what it uses: there is a type
# for each two parameters that one may name. One that names more is not checked here, but when it is connected.

# pyright: reportIncompatibleMethodOverride=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload

from .dispatch.batching import Batch
from .dispatch.signal import LifecycleSignal
from .signals import (
    PostBulkReceiver,
    PostDeleteReceiver,
    PostSaveReceiver,
    PostUpdateReceiver,
    PreBulkReceiver,
    PreDeleteReceiver,
    PreSaveReceiver,
    PreUpdateReceiver,
)

class BatchedReceiver(Protocol):
    def __call__(self, sender: Any, /, *, batch: Batch) -> object: ...

_B = TypeVar("_B", bound=BatchedReceiver)

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

class ModelInstanceValues(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, values: Mapping[str, Any]) -> object: ...

class ModelInstanceColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, column_values: dict[str, Any]) -> object: ...

class ModelInstanceIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_update: bool) -> object: ...

class ModelInstanceIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, is_migration: bool) -> object: ...

class ValuesColumnValues(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], column_values: dict[str, Any]) -> object: ...

class ValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], is_update: bool) -> object: ...

class ValuesIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, values: Mapping[str, Any], is_migration: bool) -> object: ...

class ColumnValuesIsUpdate(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], is_update: bool) -> object: ...

class ColumnValuesIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, column_values: dict[str, Any], is_migration: bool) -> object: ...

class IsUpdateIsMigration(Protocol):
    def __call__(self, sender: Any, /, *, is_update: bool, is_migration: bool) -> object: ...

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

class InjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, injected_filters: list[Any] | None) -> object: ...

class InstanceInjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, instance: Any, injected_filters: list[Any] | None) -> object: ...

class ModelInstanceInjectedFilters(Protocol):
    def __call__(self, sender: Any, /, *, model_instance: Any, injected_filters: list[Any] | None) -> object: ...

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

PreSaveReceivers: TypeAlias = (
    PreSaveReceiver[Any]
    | SenderAlone
    | Instance
    | ModelInstance
    | Values
    | ColumnValues
    | IsUpdate
    | IsMigration
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | IsUpdateIsMigration
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
)
_PreSaveR = TypeVar("_PreSaveR", bound=PreSaveReceivers)

class PreSave(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PreSaveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PreSaveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PreSaveR], _PreSaveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceRowCount
    | InstanceOperationSkipped
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceRowCount
    | ModelInstanceOperationSkipped
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesRowCount
    | ValuesOperationSkipped
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesRowCount
    | ColumnValuesOperationSkipped
    | IsUpdateIsMigration
    | IsUpdateRowCount
    | IsUpdateOperationSkipped
    | IsMigrationRowCount
    | IsMigrationOperationSkipped
    | RowCountOperationSkipped
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PostSaveR = TypeVar("_PostSaveR", bound=PostSaveReceivers)

class PostSave(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PostSaveR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PostSaveR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PostSaveR], _PostSaveR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | IsUpdateIsMigration
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
)
_PreUpdateR = TypeVar("_PreUpdateR", bound=PreUpdateReceivers)

class PreUpdate(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PreUpdateR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PreUpdateR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PreUpdateR], _PreUpdateR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | InstanceModelInstance
    | InstanceValues
    | InstanceColumnValues
    | InstanceIsUpdate
    | InstanceIsMigration
    | InstanceRowCount
    | InstanceOperationSkipped
    | ModelInstanceValues
    | ModelInstanceColumnValues
    | ModelInstanceIsUpdate
    | ModelInstanceIsMigration
    | ModelInstanceRowCount
    | ModelInstanceOperationSkipped
    | ValuesColumnValues
    | ValuesIsUpdate
    | ValuesIsMigration
    | ValuesRowCount
    | ValuesOperationSkipped
    | ColumnValuesIsUpdate
    | ColumnValuesIsMigration
    | ColumnValuesRowCount
    | ColumnValuesOperationSkipped
    | IsUpdateIsMigration
    | IsUpdateRowCount
    | IsUpdateOperationSkipped
    | IsMigrationRowCount
    | IsMigrationOperationSkipped
    | RowCountOperationSkipped
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], object]
)
_PostUpdateR = TypeVar("_PostUpdateR", bound=PostUpdateReceivers)

class PostUpdate(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PostUpdateR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PostUpdateR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PostUpdateR], _PostUpdateR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | Callable[[Any, Any, Any, Any], object]
)
_PreDeleteR = TypeVar("_PreDeleteR", bound=PreDeleteReceivers)

class PreDelete(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PreDeleteR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PreDeleteR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PreDeleteR], _PreDeleteR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | Callable[[Any, Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any, Any], object]
)
_PostDeleteR = TypeVar("_PostDeleteR", bound=PostDeleteReceivers)

class PostDelete(LifecycleSignal):
    @overload  # type: ignore[override]
    def connect(
        self,
        receiver: _PostDeleteR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PostDeleteR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PostDeleteR], _PostDeleteR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | Callable[[Any, Any, Any, Any], object]
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
        receiver: _PreBulkR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PreBulkR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PreBulkR], _PreBulkR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
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
    | Callable[[Any, Any, Any, Any], object]
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
        receiver: _PostBulkR,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> _PostBulkR: ...
    @overload
    def connect(
        self,
        receiver: _B,
        sender: Any = ...,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> _B: ...
    @overload  # type: ignore[override]
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[False] = False,
        priority: int = 0,
    ) -> Callable[[_PostBulkR], _PostBulkR]: ...
    @overload
    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        batched: Literal[True],
        priority: int = 0,
    ) -> Callable[[_B], _B]: ...
