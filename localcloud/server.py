"""Serve ministack with our AWS Batch, our resource types, a call log and the operations of `admin`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from localcloud.settings import HOST, Settings

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, Scope


def open_port(port: int) -> socket.socket:
    """Listen on the loopback interface only; port 0 takes any free one.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(256)
    return listener


def _configure_ministack(port: int, state_dir: Path) -> None:
    """Set the variables that ministack reads when it is imported."""
    os.environ |= {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "localhost",
        "MINISTACK_ACCOUNT_ID": "000000000000",
        "LOG_LEVEL": "WARNING",
        "S3_DATA_DIR": str(state_dir / "s3"),
        "STATE_DIR": str(state_dir / "state"),
        # Otherwise it listens on further ports and removes containers of a Docker daemon.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{state_dir}/no-docker",
    }
    os.environ.pop("AUTH", None)
    # ministack calls itself through boto3 in places; that must not reach a real account.
    os.environ.pop("AWS_ENDPOINT_URL", None)


class CallLog:
    """A file with one JSON line for each Batch call and each S3 write."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None if path is None else path.open("a", buffering=1)

    def write(self, scope: HTTPScope, status: int) -> None:
        if self._file is None:
            return
        name = _call_name(scope)
        if name is not None:
            service, operation = name
            entry = {
                "time": time.time(), "service": service, "operation": operation, "method": scope["method"],
                "path": scope["path"], "status": status,
            }  # fmt: skip
            self._file.write(json.dumps(entry) + "\n")


def _call_name(scope: HTTPScope) -> tuple[str, str] | None:
    """Return service and operation of a request, or None if it is not logged."""
    from localcloud.batch.api import operation_name

    method, path = scope["method"], scope["path"]
    headers = dict(scope["headers"])
    signature = headers.get(b"authorization", b"") + scope["query_string"]
    if b"/batch/aws4_request" in signature:
        return "batch", operation_name(method, path) or f"{method} {path}"
    signed_for_s3 = b"/s3/aws4_request" in signature or b"%2Fs3%2Faws4_request" in signature
    if not signed_for_s3 or method not in {"PUT", "POST", "DELETE"}:
        return None
    _, _, key = path.strip("/").partition("/")
    query = scope["query_string"].decode()
    verb = {"PUT": "Put" if key else "Create", "POST": "Post", "DELETE": "Delete"}[method]
    if "uploadId=" in query or query.startswith("uploads"):
        return "s3", "UploadPart" if method == "PUT" else f"{verb}MultipartUpload"
    if method == "PUT" and b"x-amz-copy-source" in headers:
        return "s3", "CopyObject"
    plain = not query or query.startswith(("x-id=", "X-Amz-"))
    return "s3", verb + ("Object" if key else "Bucket") + ("" if plain else f"?{query.partition('=')[0]}")


class Application:
    """The ASGI application that wraps ministack's."""

    def __init__(self, inner: Any, engine: Any, call_log: CallLog) -> None:
        self._inner = inner
        self._engine = engine
        self._log = call_log

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        from localcloud import admin

        if scope["type"] != "http":
            await self._inner(scope, receive, send)
        elif scope["path"].startswith(admin.PREFIX):
            await _send_json(send, *admin.answer(self._engine, scope["raw_path"].decode()))
        else:
            await self._inner(scope, receive, self._logging(scope, send))

    def _logging(self, scope: HTTPScope, send: ASGISendCallable) -> ASGISendCallable:
        async def wrapped(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.start":
                self._log.write(scope, message["status"])
            await send(message)

        return wrapped


async def _send_json(send: ASGISendCallable, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def serve(listener: socket.socket, settings: Settings, ready_file: Path | None, log_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT, then kill all jobs."""
    _configure_ministack(listener.getsockname()[1], settings.state_dir)
    asyncio.run(_serve(listener, settings, ready_file, log_file))


async def _serve(listener: socket.socket, settings: Settings, ready_file: Path | None, log_file: Path | None) -> None:
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from ministack import app as ministack_app
    from ministack.services.cloudformation import provisioners

    from localcloud.batch import events, model
    from localcloud.batch.api import BatchService
    from localcloud.batch.engine import Engine
    from localcloud.batch.executor import NullExecutor
    from localcloud.cloudformation import batch as batch_types
    from localcloud.cloudformation import budgets as budget_types
    from localcloud.cloudformation import ec2 as ec2_types
    from localcloud.cloudformation import encryption, exports
    from localcloud.cloudformation import stores as store_types
    from localcloud.cloudformation import vpc as vpc_types
    from localcloud.runtimes.container import ContainerRuntime
    from localcloud.runtimes.executor import RuntimeExecutor
    from localcloud.runtimes.process import ProcessRuntime
    from localcloud.services import ecr, eventbridge, s3_parts, stepfunctions

    if settings.executor == "null":
        executor = NullExecutor()
    else:
        runtime = ContainerRuntime(settings) if settings.executor == "container" else ProcessRuntime()
        executor = RuntimeExecutor(settings, runtime)
    engine = Engine(settings, executor)
    service = BatchService(engine)
    handlers: dict[str, Any] = ministack_app.SERVICE_HANDLERS
    handlers["batch"] = service.handle_request
    model.watchers.append(events.send)
    for part in (eventbridge, stepfunctions, s3_parts, encryption, exports, store_types):
        part.install()
    ecr.install(settings.url)
    provisioners._RESOURCE_HANDLERS.update(batch_types.handlers(service))
    for part in (ec2_types, vpc_types, budget_types, store_types, encryption):  # the last wraps the one before
        provisioners._RESOURCE_HANDLERS.update(part.handlers())

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 1
    config.keep_alive_timeout = 75
    if ready_file is not None:
        _write_atomically(ready_file, settings.url)
    application = Application(ministack_app.app, engine, CallLog(log_file))
    try:
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)
    finally:
        await engine.shutdown()


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text + "\n")
    Path(file.name).replace(path)
