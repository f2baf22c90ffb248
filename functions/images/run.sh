#!/bin/sh
# Started by the Lambda Web Adapter; uvicorn serves the app on the adapter's port. Layers unpack to /opt.
export PYTHONPATH="/opt/python${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m uvicorn app:app --host 127.0.0.1 --port "${AWS_LWA_PORT:-8000}" \
    --loop uvloop --http httptools --no-access-log --no-server-header --no-proxy-headers --h11-max-incomplete-event-size 65536
