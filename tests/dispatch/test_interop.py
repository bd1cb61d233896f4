"""Flask and Edgy take an aldis signal where they expect blinker's."""

from __future__ import annotations

import blinker
import pytest


def test_flask_sends_through_aldis(core, monkeypatch) -> None:
    flask = pytest.importorskip("flask")
    import flask.app
    import flask.signals

    namespace, heard = core.Namespace(), []
    for name in ("request_started", "request_finished", "template_rendered", "appcontext_pushed"):
        signal = namespace.signal(name)
        for module in (flask, flask.app, flask.signals):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, signal)
    app = flask.Flask(__name__)

    @app.get("/")
    def index():
        return "hello"

    @namespace.signal("request_started").connect_via(app)
    def started(sender, **extra):
        heard.append(("started", sender, extra))

    @namespace.signal("request_finished").connect_via(app)
    async def finished(sender, response):
        heard.append(("finished", sender, response.status_code))

    assert app.test_client().get("/").text == "hello"
    assert heard == [("started", app, {}), ("finished", app, 200)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning")
async def test_edgy_fires_an_aldis_signal(core, tmp_path) -> None:
    edgy = pytest.importorskip("edgy")

    registry = edgy.Registry(database=edgy.Database(f"sqlite:///{tmp_path}/edgy.db"))
    own = core.Signal()
    heard = []

    class User(edgy.Model):
        name: str = edgy.CharField(max_length=100)

        class Meta:
            registry = None

    User = User.copy_edgy_model(registry=registry)
    User.meta.signals.post_save = own
    User.meta.signals.on_verify = core.Signal()
    assert isinstance(User.meta.signals.on_verify, blinker.Signal)

    @own.connect_via(User)
    async def saved(sender, instance, **kwargs):
        heard.append((sender, type(instance).__name__))

    @own.connect_via(User)
    async def saved_by_name(sender, model_instance):
        heard.append(model_instance.name)

    async with registry:
        await registry.create_all()
        await User.query.create(name="Ada")
    assert heard == [(User, "QuerySet"), "Ada"] or heard == [(User, "User"), "Ada"]
