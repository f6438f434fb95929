# SPDX-License-Identifier: Apache-2.0
"""What a daemon may say of itself."""

import itertools
import json

STATUS = {
    "version": "0.1.0", "ready": True, "reason": "ready", "workers": 2,
    "started_at": "2026-11-09T02:05:12.482913Z", "now": "2026-11-12T06:05:12.482913Z",
    "taxonomy": "digital-solidarity-2024/1.0.0",
    "connections": {"open": 3, "handshake": 0, "idle": 2, "request": 0, "commit": 1, "answer": 0},
    "rate": {"window_s": 60, "reports_per_s": 12.44, "refused_per_s": 0.1,
             "commit_p50_ms": 1.9, "commit_p99_ms": 6.0},
    "reports": {"stored": 100, "duplicate": 3, "refused": 2,
                "last_commit_at": "2026-11-12T06:05:02.482913Z"},
    "queue": {"reports": 7, "limit": 4096, "bytes": 7340032, "limit_bytes": 67108864},
    "database": {"state": "ready", "links": 3, "links_away": 0, "away_since": None,
                 "reason": None, "connects": 3},
    "certificates": {"server_expires_at": "2026-12-01T00:00:00Z",
                     "partner_ca_expires_at": "2027-12-01T00:00:00Z",
                     "crl_next_update_at": None},
    "reload": {"taken": 0, "refused": 0, "last_at": None, "last_result": None, "faults": [],
               "needs_restart": []},
    "refusals": {"body-too-large": 2, "report-invalid": 12},
    "handshake_failures": {"no-certificate": 1},
    "partners": [
        {"name": "demo", "mode": "live", "is_suspended": False, "stored": 100, "duplicate": 3, "refused": 2},
        {"name": "north", "mode": "test", "is_suspended": True, "stored": 0, "duplicate": 0, "refused": 0},
    ],
    "partner_count": 2,
    "latest_refusals": [
        {"at": "2026-11-12T06:00:00Z", "partner": "demo", "path": "/v1/reports", "status": 422,
         "problem": "report-invalid", "codes": ["too-long", "type"]},
        {"at": "2026-11-12T05:00:00Z", "partner": None, "path": "/v1/reports", "status": 403,
         "problem": "partner-unknown", "codes": []},
    ],
}  # fmt: skip


def changed(**members):
    return json.loads(json.dumps(STATUS)) | members


def snapshots(stored=100):
    """Statuses in which the counters grow by a thousand each time."""
    for grown in itertools.count(stored, 1000):
        status = changed()
        status["reports"]["stored"] = status["partners"][0]["stored"] = grown
        yield status
