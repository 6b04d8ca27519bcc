"""A real bot in a channel of its own, and a plugin beside it."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import nats

PROGRAM = os.environ.get("ROSEY_TEST_PROGRAM", "")
TESTS = Path(__file__).parent


class Bot:
    async def start(self) -> None:
        self.lines: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = []  # subject, data, body, headers
        self._heard = asyncio.Event()
        self._dir = tempfile.TemporaryDirectory(prefix="rosey-sdk-")
        self.creds = f"{self._dir.name}/probe.creds"
        run = [PROGRAM, "run", "--local", "--store", f"{self._dir.name}/store"]
        self._process = subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        while True:
            try:
                self.rosey("status")
                break
            except subprocess.CalledProcessError:
                await asyncio.sleep(0.05)
        self.env = dict(re.findall(r"(\w+)='(.*?)'", self.rosey("status", "--output", "env")))
        self.nc = await nats.connect(self.env["NATS_URL"], user=self.env["NATS_USER"], password=self.env["NATS_PASSWORD"], error_cb=_ignore)
        for pattern in ("cytube.send.>", "plugin.*.event.>", "plugin.nobody.request"):
            await self.nc.subscribe(pattern, cb=self._hear)
        await self.nc.flush()
        self.rosey("plugin", "creds", "probe", "--file", self.creds)

    async def _hear(self, m: Any) -> None:
        body = json.loads(m.data)
        self.lines.append((m.subject, body.get("data", body), body, dict(m.headers or {})))
        self._heard.set()

    async def stop(self) -> None:
        await self.stop_plugin()
        await self.nc.close()
        self._process.terminate()
        self._process.communicate()
        self._dir.cleanup()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def rosey(self, *args: str) -> str:
        command = [PROGRAM, *args, "--store", f"{self._dir.name}/store"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    async def start_plugin(self, **env: str) -> None:
        """Starts the plugin and waits until it reads its commands."""
        rest = {k: v for k, v in os.environ.items() if k not in ("NATS_USER", "NATS_PASSWORD")}
        paths = os.pathsep.join([str(TESTS.parent), *sys.path])
        self.plugin = await asyncio.create_subprocess_exec(
            sys.executable, str(TESTS / "probe.py"), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env={**rest, "PYTHONPATH": paths, "NATS_URL": self.env["NATS_URL"], "NATS_CREDS": self.creds, **env},
        )
        said = ""
        while "plugin runs" not in said:
            line = await self.plugin.stderr.readline()
            said += line.decode()
            assert line, f"the plugin ended:\n{said}"
        self._reading = asyncio.create_task(self.plugin.stderr.read())

    async def stop_plugin(self) -> int:
        if self.plugin.returncode is None:
            self.plugin.terminate()
        return await self.plugin.wait()

    def say(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    async def next(self, start: int, subject: str, message: str | None = None) -> dict[str, Any]:
        """The data of the next event on a subject, from `start` on."""
        while True:
            for s, data, _, _ in self.lines[start:]:
                if s == subject and (message is None or data.get("message") == message):
                    return data
            self._heard.clear()
            await self._heard.wait()

    async def ask(self, line: str) -> str:
        """Says a line, and returns the next thing that the plugin says."""
        start = len(self.lines)
        self.say(line)
        return (await self.next(start, "cytube.send.chat"))["message"]


async def _ignore(err: Exception) -> None:
    """The bot is killed by a test."""


async def until(ok: Callable[[], Any]) -> None:
    while not await ok():
        await asyncio.sleep(0.05)
