#!/bin/sh
# Start a Pictor command. The image is read-only and numba wants to write its cache: give it the compiled kernels
# in a place where it may.
set -eu
if [ -d /opt/pictor/numba ] && [ ! -e "$NUMBA_CACHE_DIR" ]; then
    cp -R -p /opt/pictor/numba "$NUMBA_CACHE_DIR"
fi
exec pictor "$@"
