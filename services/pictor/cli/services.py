"""Which application each service runs."""

from importlib import import_module

from pictor.contracts.modules import Service
from pictor.runtime.hosting import CreateApp

BUS_SERVICES = tuple(service for service in Service if service is not Service.GATEWAY)


def create_app_of(service: Service) -> CreateApp:
    """Import a bus service and return its ``create_app``."""
    name = str(service).replace("-", "_")
    create_app: CreateApp = import_module(f"pictor.{name}.app").create_app
    return create_app
