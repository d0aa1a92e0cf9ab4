import shlex
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest

from syneudp.engines.contract import Engine
from syneudp.web.console.figures import Figures
from syneudp.web.console.pages import Pages
from syneudp.web.console.snippets import HIDDEN, OFFERED, snippets, uri
from syneudp.web.console.views import ConnectionFacts, Viewer

FACTS = ConnectionFacts(host="db.example.com", port=5432, database="dbaaa", username="uaaa", tls=True)
WRITE = partial(Pages(assets={}).write, figures=Figures("EUR"), viewer=Viewer())
TLS_WORDS = ("ssl", "tls")


@pytest.mark.parametrize("engine", Engine)
def test_the_uri_says_everything_and_demands_tls(engine: Engine) -> None:
    parts = urlsplit(uri(engine, FACTS, "secret"))
    assert (parts.scheme, parts.username, parts.password) == (engine.value, "uaaa", "secret")
    assert (parts.hostname, parts.port, parts.path) == ("db.example.com", 5432, "/dbaaa")
    assert parse_qs(parts.query) in ({"sslmode": ["require"]}, {"ssl-mode": ["REQUIRED"]})


@pytest.mark.parametrize("engine", Engine)
def test_every_snippet_names_the_place_the_password_and_tls(engine: Engine) -> None:
    for snippet in snippets(engine, FACTS, "s3cr3t", write=WRITE):
        assert all(fact in snippet.text for fact in ("db.example.com", "5432", "dbaaa", "uaaa", "s3cr3t")), snippet.slug
        assert any(word in snippet.text.lower() for word in TLS_WORDS), snippet.slug


@pytest.mark.parametrize("engine", Engine)
def test_a_hidden_password_stands_in_no_snippet(engine: Engine) -> None:
    written = snippets(engine, FACTS, None, write=WRITE)
    assert len(written) == len(OFFERED[engine])
    assert all(HIDDEN in snippet.text for snippet in written)


@pytest.mark.parametrize("engine", Engine)
def test_the_shell_takes_the_first_snippet_as_one_command(engine: Engine) -> None:
    words = shlex.split(snippets(engine, FACTS, "s3cr3t", write=WRITE)[0].text)
    assert words[0] in {"psql", "mysql"}


def test_an_ipv6_host_stands_in_brackets() -> None:
    facts = ConnectionFacts(host="fd00::1", port=5432, database="d", username="u", tls=False)
    assert uri(Engine.POSTGRESQL, facts, None) == "postgresql://u:PASSWORD@[fd00::1]:5432/d"
