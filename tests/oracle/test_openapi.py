# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document before a validator that others wrote. tests/run installs that with npm;
where it could not, the test is skipped."""
import copy
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("INTAKED_BUILD", "build"))
MODULES = BUILD / "npm"
NODE = shutil.which("node") or shutil.which("nodejs")

pytestmark = pytest.mark.skipif(
    not NODE or not (MODULES / "node_modules/@apidevtools/swagger-parser").exists(),
    reason=f"no validator in {MODULES}")


@pytest.fixture(scope="module")
def document():
    taxonomy = HERE.parent.parent / "config" / "taxonomy.json"
    command = [BUILD / "tests" / "openapi_print", taxonomy]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def faults_of(document):
    """What the validator says; empty when it finds nothing."""
    command = [NODE, HERE / "validate_openapi.js", MODULES]
    done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout


def test_document_is_valid(document):
    assert faults_of(document) == ""


def reports(document):
    return document["paths"]["/v1/reports"]["post"]


@pytest.mark.parametrize("spoil", [
    lambda d: d.pop("info"),
    lambda d: reports(d)["responses"]["200"].pop("description"),
    lambda d: reports(d)["requestBody"].pop("content"),
    lambda d: d["components"]["schemas"].pop("Receipt"),
    lambda d: d["components"]["securitySchemes"]["mutualTLS"].update(type="mtls"),
    lambda d: d["components"]["schemas"].update(Receipt=7),
])
def test_validator_sees_a_spoilt_document(document, spoil):
    spoilt = copy.deepcopy(document)
    spoil(spoilt)
    assert faults_of(spoilt)
