"""A real three-node MariaDB Galera cluster out of Debian's packages; nothing is installed and no root is needed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql

from entrypoints.embedded import MariaDBServer, free_port
from entrypoints.embedded.accounts import engine_account, reachable_programs
from entrypoints.embedded.mysql_family import ServerProgram
from entrypoints.embedded.packages import UnpackedPrograms, unpack
from entrypoints.embedded.processes import say_nothing
from tests.servers import ENGINES, QUICK_AND_UNSAFE_MYSQL, _initialised, passing_folder

TRANSFER_PROGRAMS = ("rsync", "ss", "lsof", "my_print_defaults")
TRANSFER_SCRIPTS = ("wsrep_sst_rsync", "wsrep_sst_common")
MACHINE_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NODES = 3
JOINED_WITHIN_SECONDS = 60


class GaleraNode(MariaDBServer):
    """One node: the embedded MariaDB with the programs of a state transfer on its path."""

    tools: Path

    def _unpacked_program(self) -> ServerProgram:
        found = super()._unpacked_program()
        return replace(found, command=("/usr/bin/env", f"PATH={self.tools}:{MACHINE_PATH}", *found.command))


@dataclass
class Cluster:
    nodes: list[GaleraNode]
    password: str

    def url(self, *, user: str, password: str) -> str:
        hosts = ",".join(f"{node.host}:{node.port}" for node in self.nodes)
        return f"mysql://{user}:{quote(password, safe='')}@{hosts}/"

    def root_url(self) -> str:
        return self.url(user="root", password=self.password)

    def kill(self, number: int) -> None:
        os.killpg(self.nodes[number].pid, signal.SIGKILL)

    def start_again(self, number: int) -> None:
        self.nodes[number].stop()
        self.nodes[number].start()
        self.wait_for(number)

    def wait_for(self, number: int) -> None:
        deadline = time.monotonic() + JOINED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                status: dict[str, str] = dict(self.asked(number, "SHOW STATUS LIKE 'wsrep_%'"))
            except pymysql.err.MySQLError:
                status = {}
            if status.get("wsrep_ready") == "ON" and status.get("wsrep_local_state_comment") == "Synced":
                return
            time.sleep(0.1)
        raise AssertionError(f"node {number} did not join")

    def asked(self, number: int, sql: str) -> list[tuple[Any, ...]]:
        node = self.nodes[number]
        connection = pymysql.connect(
            host=node.host, port=node.port, user="root", password=self.password, autocommit=True, connect_timeout=5
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()


@contextmanager
def running_galera() -> Iterator[Cluster]:
    template, password = _initialised(MariaDBServer)
    unpacked = unpack(
        "mariadb-server", ENGINES, name="galera", from_unstable=False, announce=lambda: None, title="Galera"
    )
    with passing_folder() as folder:
        provider, tools = _transfer_programs(unpacked, folder)
        group_ports = [free_port() for _ in range(NODES)]
        nodes = [
            _node(folder / f"node{number}", number, group_ports, provider=provider, password=password)
            for number in range(NODES)
        ]
        cluster = Cluster(nodes, password)
        try:
            for number, node in enumerate(nodes):
                node.tools = tools
                subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(node.data_folder)], check=True)
                node.prepare()
                joining = node._settings["wsrep-cluster-address"]
                node._settings["wsrep-cluster-address"] = joining if number else "gcomm://"
                node.start()
                node._settings["wsrep-cluster-address"] = joining
                cluster.wait_for(number)
            yield cluster
        finally:
            for node in reversed(nodes):
                node.stop()


def _node(folder: Path, number: int, group_ports: list[int], *, provider: Path, password: str) -> GaleraNode:
    own = f"127.0.0.1:{group_ports[number]}"
    options = {
        "base_host": "127.0.0.1",
        "base_port": str(group_ports[number]),
        "gmcast.listen_addr": f"tcp://{own}",
        "ist.recv_addr": f"127.0.0.1:{free_port()}",
        "gcache.size": "32M",
    }
    return GaleraNode(
        folder,
        engines=ENGINES,
        port=free_port(),
        root_password=password,
        settings={
            **QUICK_AND_UNSAFE_MYSQL,
            "wsrep-on": "ON",
            "wsrep-provider": str(provider),
            "wsrep-cluster-name": "syneudp",
            "wsrep-cluster-address": "gcomm://" + ",".join(f"127.0.0.1:{port}" for port in group_ports),
            "wsrep-node-address": own,
            "wsrep-node-name": f"node{number}",
            "wsrep-sst-method": "rsync",
            "wsrep-sst-receive-address": f"127.0.0.1:{free_port()}",
            "wsrep-provider-options": ";".join(f"{name}={value}" for name, value in options.items()),
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": "2",
        },
        progress=say_nothing,
    )


def _transfer_programs(unpacked: UnpackedPrograms, folder: Path) -> tuple[Path, Path]:
    root = reachable_programs(unpacked.root, engine_account())
    tools = folder / "tools"
    tools.mkdir(mode=0o755)
    loaders = folder / "loaders"
    loaders.mkdir(mode=0o755)
    loader, *options = unpacked.at(root).launcher()
    for name in TRANSFER_SCRIPTS:
        (tools / name).write_bytes((root / "usr" / "bin" / name).read_bytes())
    for name in TRANSFER_PROGRAMS:
        program = next((path for path in root.glob(f"**/bin/{name}") if path.is_file()), None)
        if program is not None:
            shutil.copy(loader, loaders / name)
            launcher = " ".join([str(loaders / name), *options])
            (tools / name).write_text(f'#!/bin/sh\nexec {launcher} {program} "$@"\n', encoding="utf-8")
    for tool in (*tools.iterdir(), *loaders.iterdir()):
        tool.chmod(0o755)
    return next(root.glob("**/libgalera_smm.so")).resolve(), tools
