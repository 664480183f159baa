"""What routes are given: the runtime, and whoever asks."""

from typing import Annotated, TypeAlias

from litestar.datastructures import State
from litestar.di import Provide
from litestar.params import Dependency

from pictor.gateway.auth import principal_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http
from pictor.runtime.runtime import Runtime

RuntimeDep: TypeAlias = Annotated[Runtime, Dependency(skip_validation=True)]
Caller: TypeAlias = Annotated[Principal, Dependency(skip_validation=True)]


def _runtime(state: State) -> Runtime:
    runtime: Runtime = state.runtime
    return runtime


def _caller(request: Http) -> Principal:
    return principal_of(request)


DEPENDENCIES = {
    "runtime": Provide(_runtime, sync_to_thread=False),
    "caller": Provide(_caller, sync_to_thread=False),
}
