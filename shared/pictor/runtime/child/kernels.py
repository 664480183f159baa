"""Kernels from numba's cache without the compiler: what would compile is loaded when something must be compiled.

Before numba runs one kernel from its cache it imports every implementation it could compile with, looks for extensions
among all packages, compiles its own memory manager, and reads each kernel a second time in the form in which others may
inline it. A process that only runs what was compiled before needs nothing of this; one that compiles gets all of it.
"""

import sys
from importlib import import_module
from typing import Any

_WAITING = "_inlinable"
"""Where a loaded library keeps what others may inline, until one does."""


def load_without_compiler() -> None:
    """Change numba in this process; to be called when it was imported and has not compiled or loaded anything."""
    caching: Any = import_module("numba.core.caching")
    library: Any = import_module("numba.core.codegen").JITCodeLibrary
    caching.Cache.load_overload = _load
    caching.CompileResultCacheImpl.rebuild = _told(caching.CompileResultCacheImpl.rebuild)
    library._unserialize = classmethod(_unserialize)  # noqa: SLF001
    library._get_module_for_linking = _linked(library._get_module_for_linking)  # noqa: SLF001
    library.get_pointer_to_function = _found(library.get_pointer_to_function)
    manager: Any = import_module("numba.core.runtime.nrtdynmod")
    manager.compile_nrt_functions = _once_used(manager.compile_nrt_functions)
    environment: Any = import_module("numba.core.environment")
    environment._rebuild_env = _bare(environment._rebuild_env)  # noqa: SLF001
    dispatcher = import_module("numba.core.dispatcher").Dispatcher
    dispatcher._compilation_chain_init_hook = lambda _: None  # noqa: SLF001 - compiling looks for extensions itself


def _load(cache: Any, signature: Any, target: Any) -> Any:  # noqa: ANN401 - they are numba's
    """Load one kernel as ``Cache.load_overload`` does, without refreshing the compiler's context first."""
    import_module("numba.core.runtime").rtsys.initialize(target)
    with cache._guard_against_spurious_io_errors():  # noqa: SLF001
        return cache._load_overload(signature, target)  # noqa: SLF001


def _unserialize(_kind: Any, codegen: Any, state: Any) -> Any:  # noqa: ANN401 - they are numba's
    """Make a library of a kernel from the cache: its machine code now, what others may inline when they ask."""
    name, form, data = state
    if form != "object":
        raise ValueError(f"kernels are cached as machine code, not as {form}")
    self = codegen.create_library(name)
    self.enable_object_caching()
    self._set_compiled_object(data[0])
    setattr(self, _WAITING, data[1])
    self._finalize_final_module()
    return self


def _told(rebuild: Any) -> Any:  # noqa: ANN401 - numba's
    """Tell the engine which function of a kernel Python calls, where it would learn this from the second form."""

    def rebuilt(cache: Any, target: Any, payload: Any) -> Any:  # noqa: ANN401 - they are numba's
        (_, form, data), described = payload[:2]
        wrapper = described.llvm_cpython_wrapper_name
        if form == "object" and wrapper.encode() in data[0]:
            target.codegen()._engine._defined_symbols.add(wrapper)  # noqa: SLF001
        return rebuild(cache, target, payload)

    return rebuilt


def _unpack(library: Any) -> None:  # noqa: ANN401 - numba's
    """Read what others may inline, as numba does when it loads a kernel."""
    bitcode = library.__dict__.pop(_WAITING, None)
    if bitcode is not None:
        library._shared_module = import_module("llvmlite.binding").parse_bitcode(bitcode)  # noqa: SLF001
        library._codegen._engine._load_defined_symbols(library._shared_module)  # noqa: SLF001


def _linked(plain: Any) -> Any:  # noqa: ANN401 - numba's
    def module(library: Any) -> Any:  # noqa: ANN401 - they are numba's
        _unpack(library)
        return plain(library)

    return module


def _found(plain: Any) -> Any:  # noqa: ANN401 - numba's
    def pointer(library: Any, name: str) -> int:  # noqa: ANN401 - numba's
        if not library._codegen._engine.is_symbol_defined(name):  # noqa: SLF001
            _unpack(library)
        return int(plain(library, name))

    return pointer


class _Compiled:
    """The library of numba's memory manager, which is inlined in what is compiled; made once something is."""

    def __init__(self, compiler: Any, target: Any) -> None:  # noqa: ANN401 - they are numba's
        self._making = compiler, target
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - numba's
        with import_module("numba.core.compiler_lock").global_compiler_lock:
            if self._made is None:
                compiler, target = self._making
                self._made = compiler(target)
        return getattr(self._made, name)


def _once_used(compiler: Any) -> Any:  # noqa: ANN401 - numba's
    return lambda target: _Compiled(compiler, target)


def _bare(plain: Any) -> Any:  # noqa: ANN401 - numba's
    """Rebuild what a kernel knows of functions of numba it has inlined without importing where they are written.

    Only interpreted code looks up names there; what is compiled has its constants.
    """
    environment = import_module("numba.core.environment")

    def rebuilt(module: str, constants: Any, name: str) -> Any:  # noqa: ANN401 - they are numba's
        if not module.startswith("numba.") or module in sys.modules or environment.lookup_environment(name) is not None:
            return plain(module, constants, name)
        made = environment.Environment({"__name__": module})
        made.consts[:] = constants
        made.env_name = name
        environment.Environment._memo[name] = made  # noqa: SLF001
        return made

    return rebuilt
