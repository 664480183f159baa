"""Prometheus metrics of every module; no frame ids in labels."""

from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 180, 600)

module_total = Counter("pictor_module", "Module runs by how they ended", ("module", "outcome"))
module_seconds = Histogram("pictor_module_duration_seconds", "Time of one module run", ("module",), buckets=BUCKETS)
module_running = Gauge("pictor_module_running", "Module runs in flight in this process", ("module",))
parked_total = Counter("pictor_parked", "Orders parked", ("module", "reason"))
fenced_total = Counter("pictor_fenced", "Late results refused by the fence", ("module",))
relayed_total = Counter("pictor_outbox_relayed", "Messages published by the relay instead of their writer")
reissued_total = Counter("pictor_reissued", "Orders given again by the reconciler", ("module",))
upload_bytes = Counter("pictor_upload_bytes", "Bytes of accepted uploads")
uploads = Counter("pictor_uploads", "Uploads by outcome", ("outcome",))
