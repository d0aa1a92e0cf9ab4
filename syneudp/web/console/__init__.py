"""The web console: server-rendered pages that work without script and come alive with it."""

from syneudp.web.console.blueprint import create_console_blueprint
from syneudp.web.console.problems import render_problem

__all__ = ["create_console_blueprint", "render_problem"]
