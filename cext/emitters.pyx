# Rendered from cext/signals.toml and cext/templates/emitters.pyx.jinja by `make generate`; never edited.
# One emitter per lifecycle signal; its keyword names are a constant. Included by dispatch.pyx.

cdef tuple PRE_SAVE = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
)

cdef object c_pre_save(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_save", PRE_SAVE, args, nargs, kwnames)

pre_save = new_emitter(
    "pre_save", PRE_SAVE, <void *>c_pre_save
)

cdef tuple POST_SAVE = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "row_count",
    "operation_skipped",
)

cdef object c_post_save(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_save", POST_SAVE, args, nargs, kwnames)

post_save = new_emitter(
    "post_save", POST_SAVE, <void *>c_post_save
)

cdef tuple PRE_UPDATE = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
)

cdef object c_pre_update(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_update", PRE_UPDATE, args, nargs, kwnames)

pre_update = new_emitter(
    "pre_update", PRE_UPDATE, <void *>c_pre_update
)

cdef tuple POST_UPDATE = (
    "instance",
    "model_instance",
    "values",
    "column_values",
    "is_update",
    "is_migration",
    "row_count",
    "operation_skipped",
)

cdef object c_post_update(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_update", POST_UPDATE, args, nargs, kwnames)

post_update = new_emitter(
    "post_update", POST_UPDATE, <void *>c_post_update
)

cdef tuple PRE_DELETE = (
    "instance",
    "model_instance",
    "injected_filters",
)

cdef object c_pre_delete(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_delete", PRE_DELETE, args, nargs, kwnames)

pre_delete = new_emitter(
    "pre_delete", PRE_DELETE, <void *>c_pre_delete
)

cdef tuple POST_DELETE = (
    "instance",
    "model_instance",
    "row_count",
    "operation_skipped",
)

cdef object c_post_delete(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_delete", POST_DELETE, args, nargs, kwnames)

post_delete = new_emitter(
    "post_delete", POST_DELETE, <void *>c_post_delete
)

cdef tuple PRE_BULK = (
    "instance",
    "operation",
    "raw_values",
    "create_params",
    "update_params",
    "update_fields",
    "ignore_conflicts",
)

cdef object c_pre_bulk(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_bulk", PRE_BULK, args, nargs, kwnames)

pre_bulk = new_emitter(
    "pre_bulk", PRE_BULK, <void *>c_pre_bulk
)

cdef tuple POST_BULK = (
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

cdef object c_post_bulk(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_bulk", POST_BULK, args, nargs, kwnames)

post_bulk = new_emitter(
    "post_bulk", POST_BULK, <void *>c_post_bulk
)

cdef tuple PRE_MIGRATE_UPGRADE = (
    "config",
    "revision",
    "sql",
    "tag",
)

cdef object c_pre_migrate_upgrade(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_migrate_upgrade", PRE_MIGRATE_UPGRADE, args, nargs, kwnames)

pre_migrate_upgrade = new_emitter(
    "pre_migrate_upgrade", PRE_MIGRATE_UPGRADE, <void *>c_pre_migrate_upgrade
)

cdef tuple PRE_MIGRATE_REVISION = (
    "config",
    "message",
    "autogenerate",
    "sql",
    "head",
    "splice",
    "branch_label",
    "version_path",
    "revision_id",
)

cdef object c_pre_migrate_revision(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("pre_migrate_revision", PRE_MIGRATE_REVISION, args, nargs, kwnames)

pre_migrate_revision = new_emitter(
    "pre_migrate_revision", PRE_MIGRATE_REVISION, <void *>c_pre_migrate_revision
)

cdef tuple POST_MIGRATE_UPGRADE = (
    "config",
    "revision",
    "sql",
    "tag",
)

cdef object c_post_migrate_upgrade(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_migrate_upgrade", POST_MIGRATE_UPGRADE, args, nargs, kwnames)

post_migrate_upgrade = new_emitter(
    "post_migrate_upgrade", POST_MIGRATE_UPGRADE, <void *>c_post_migrate_upgrade
)

cdef tuple POST_MIGRATE_REVISION = (
    "config",
    "message",
    "autogenerate",
    "sql",
    "head",
    "splice",
    "branch_label",
    "version_path",
    "revision_id",
)

cdef object c_post_migrate_revision(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("post_migrate_revision", POST_MIGRATE_REVISION, args, nargs, kwnames)

post_migrate_revision = new_emitter(
    "post_migrate_revision", POST_MIGRATE_REVISION, <void *>c_post_migrate_revision
)

cdef tuple REVISION_APPLIED_UPGRADE = (
    "revision_id",
    "down_revision",
    "connection",
    "seconds",
)

cdef object c_revision_applied_upgrade(object module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames):
    return emit_bound("revision_applied_upgrade", REVISION_APPLIED_UPGRADE, args, nargs, kwnames)

revision_applied_upgrade = new_emitter(
    "revision_applied_upgrade", REVISION_APPLIED_UPGRADE, <void *>c_revision_applied_upgrade
)
