"""The driver of tests/conformance for this package: driver.py [--form F] [--transport T].

Commands in, answers out, one JSON line each."""

import argparse
import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import support  # noqa: F401 (makes the package importable)
from driver_forms import error_json, operation_of, options_of

from candor import AsyncClient, CandorError, Client, Cursor, Token

CAN = [
    "reads",
    "ladders",
    "writes",
    "txn",
    "txn_status",
    "await",
    "watch",
    "sessions",
    "many",
    "ttl",
]


def refused(error):
    return {"ok": False, "code": "INVALID_ARGUMENT", "reason": "NONE", "message": str(error)}


def told(function):
    """The answer to a command that gives nothing, or an error."""
    try:
        function()
    except ValueError as error:
        return refused(error)
    return {"ok": True}


class Driver:
    """What both forms answer in the same way."""

    def __init__(self, form, transport):
        self.form, self.transport = form, transport
        self.client = self.watch = None

    def open(self, command):
        kind = AsyncClient if self.form == "asyncio" else Client

        def make():
            self.client = kind(
                command["endpoints"], transport=self.transport, **options_of(command)
            )

        return told(make)

    def plain(self, command):
        """Commands that ask no node; None: it is none of them."""
        op = command["op"]
        if op == "hello":
            return {"ok": True, "client": f"python {self.form} {self.transport}", "can": CAN}
        if op == "open":
            return self.open(command)
        if op == "session":
            session = self.client.session
            return {
                "ok": True,
                "token": str(session) if session else None,
                "seq": session.pos.seq if session else None,
            }
        if op == "join_session":
            return told(lambda: self.client.join_session(Token.parse(command["token"])))
        if op == "restart_session":
            token = command.get("token")
            return told(lambda: self.client.restart_session(Token.parse(token) if token else None))
        if op == "violations":
            return {"ok": True, "count": self.client.violations}
        if op == "watch_open":
            return told(lambda: self.watch_open(command))
        return None

    def watch_open(self, command):
        options = {name: value for name, value in command.items() if name not in ("op", "wait_ms")}
        if "cursor" in options:
            options["cursor"] = Cursor.parse(options["cursor"])
        watch = self.client.watch(wait=command.get("wait_ms", 1000) / 1000, **options)
        self.watch = watch.changes()


class SyncDriver(Driver):
    def answer(self, command):
        answer = self.plain(command)
        if answer is not None:
            return answer
        if command["op"] == "close":
            if self.client:
                self.client.close()
            return {"ok": True}
        if command["op"] == "many":
            with ThreadPoolExecutor(len(command["commands"])) as threads:
                return {"ok": True, "answers": list(threads.map(self.operate, command["commands"]))}
        return self.operate(command)

    def operate(self, command):
        try:
            name, arguments, options, form = operation_of(command)
            if name == "watch_next":
                return form(next(self.watch))
            result = getattr(self.client, name)(*arguments, **options)
            return form(list(result) if name == "scan" else result)
        except ValueError as error:
            return refused(error)
        except CandorError as error:
            return error_json(error)


class AsyncDriver(Driver):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.loop = asyncio.new_event_loop()

    def answer(self, command):
        return self.loop.run_until_complete(self._answer(command))

    async def _answer(self, command):
        answer = self.plain(command)
        if answer is not None:
            return answer
        if command["op"] == "close":
            if self.client:
                await self.client.close()
            return {"ok": True}
        if command["op"] == "many":
            answers = await asyncio.gather(*map(self.operate, command["commands"]))
            return {"ok": True, "answers": answers}
        return await self.operate(command)

    async def operate(self, command):
        try:
            name, arguments, options, form = operation_of(command)
            if name == "watch_next":
                return form(await anext(self.watch))
            if name == "scan":
                return form([item async for item in self.client.scan(**options)])
            return form(await getattr(self.client, name)(*arguments, **options))
        except ValueError as error:
            return refused(error)
        except CandorError as error:
            return error_json(error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=["sync", "asyncio"], default="sync")
    parser.add_argument("--transport", choices=["socket", "nng"], default="socket")
    arguments = parser.parse_args()
    kind = AsyncDriver if arguments.form == "asyncio" else SyncDriver
    driver = kind(arguments.form, arguments.transport)
    for line in sys.stdin:
        print(json.dumps(driver.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
