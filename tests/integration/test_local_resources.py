"""A real MiniStack gets everything template.yaml declares, and still has it after a restart."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.ministack import MiniStack
from local.processes import HOST, ChildFailed
from local.resources import Clients, clients, create
from local.template import load

ROOT = Path(__file__).parents[2]
EXECUTABLE = ROOT / ".tools" / "ministack" / "bin" / "ministack"
TEMPLATE = load(ROOT / "template.yaml")


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    with MiniStack(EXECUTABLE, tmp_path_factory.mktemp("ministack")) as running:
        yield running


@pytest.fixture(scope="module")
def aws(ministack: MiniStack) -> Clients:
    return clients(ministack.endpoint_url, ministack.region)


@pytest.fixture(scope="module")
def names(aws: Clients) -> dict[str, str]:
    return create(TEMPLATE, aws)


def test_names_follow_from_the_logical_ids(names: dict[str, str], ministack: MiniStack) -> None:
    account = "000000000000"
    tables = {spec.logical_id: f"multiconnection-{spec.logical_id.removesuffix('Table')}" for spec in TEMPLATE.tables()}
    assert tables["KeysTable"] == "multiconnection-Keys"
    assert names == tables | {
        "FallbackDeadLetterQueue": f"{ministack.endpoint_url}/{account}/multiconnection-FallbackDeadLetter",
        "FallbackQueue": f"{ministack.endpoint_url}/{account}/multiconnection-Fallback",
        "PayloadBucket": "multiconnection-payload",
    }


def test_tables_have_keys_indexes_and_expiry(names: dict[str, str], aws: Clients) -> None:
    for spec in TEMPLATE.tables():
        table = aws.dynamodb.describe_table(TableName=names[spec.logical_id])["Table"]
        assert table["KeySchema"] == spec.definition["KeySchema"]
        found = {index["IndexName"]: index["KeySchema"] for index in table.get("GlobalSecondaryIndexes", [])}
        wanted = spec.definition.get("GlobalSecondaryIndexes", [])
        assert found == {index["IndexName"]: index["KeySchema"] for index in wanted}
    expiry = aws.dynamodb.describe_time_to_live(TableName=names["LimitsTable"])["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires_at")


def test_the_fallback_queue_hands_over_to_its_dead_letters(names: dict[str, str], aws: Clients) -> None:
    found = aws.sqs.get_queue_attributes(QueueUrl=names["FallbackQueue"], AttributeNames=["All"])["Attributes"]
    redrive = json.loads(found["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) == 10
    assert redrive["deadLetterTargetArn"].endswith(":multiconnection-FallbackDeadLetter")
    assert found["VisibilityTimeout"] == "360"


def test_creating_again_keeps_what_is_there(names: dict[str, str], aws: Clients) -> None:
    item = {"account_id": {"S": "acct-kept"}, "avail": {"N": "7"}}
    aws.dynamodb.put_item(TableName=names["BalancesTable"], Item=item)
    aws.s3.put_object(Bucket=names["PayloadBucket"], Key="kept", Body=b"payload")
    assert create(TEMPLATE, aws) == names
    key = {"account_id": item["account_id"]}
    assert aws.dynamodb.get_item(TableName=names["BalancesTable"], Key=key)["Item"] == item
    assert aws.s3.get_object(Bucket=names["PayloadBucket"], Key="kept")["Body"].read() == b"payload"


def test_another_prefix_is_another_set_of_resources(names: dict[str, str], aws: Clients) -> None:
    assert not set(create(TEMPLATE, aws, prefix="other").values()) & set(names.values())


def test_it_listens_on_loopback_only(ministack: MiniStack) -> None:
    port = int(ministack.endpoint_url.rsplit(":", 1)[1])
    listening = {tuple(c.laddr) for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert {address for address in listening if address[1] == port} == {(HOST, port)}


ITEM = {"account_id": {"S": "acct-1"}, "avail": {"N": "123456789012345678901"}, "h_x": {"S": "packed"}}
KEY = {"account_id": {"S": "acct-1"}}


def fill(aws: Clients, names: dict[str, str]) -> None:
    aws.dynamodb.put_item(TableName=names["BalancesTable"], Item=ITEM)
    aws.s3.put_object(Bucket=names["PayloadBucket"], Key="a/b", Body=b"\x00\xff")
    aws.sqs.send_message(QueueUrl=names["FallbackQueue"], MessageBody="row")


def assert_filled(aws: Clients, names: dict[str, str]) -> None:
    assert aws.dynamodb.get_item(TableName=names["BalancesTable"], Key=KEY)["Item"] == ITEM
    assert aws.s3.get_object(Bucket=names["PayloadBucket"], Key="a/b")["Body"].read() == b"\x00\xff"
    messages = aws.sqs.receive_message(QueueUrl=names["FallbackQueue"], VisibilityTimeout=0)["Messages"]
    assert [message["Body"] for message in messages] == ["row"]
    expiry = aws.dynamodb.describe_time_to_live(TableName=names["LimitsTable"])["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"


def test_state_survives_a_restart_on_another_port(tmp_path: Path) -> None:
    with MiniStack(EXECUTABLE, tmp_path) as first:
        aws = clients(first.endpoint_url, first.region)
        fill(aws, create(TEMPLATE, aws))
    with MiniStack(EXECUTABLE, tmp_path) as second:
        assert second.endpoint_url != first.endpoint_url
        aws = clients(second.endpoint_url, second.region)
        names = create(TEMPLATE, aws)
        assert names["FallbackQueue"].startswith(second.endpoint_url)
        assert_filled(aws, names)


OWNER = """
import sys, time
from pathlib import Path
from local.ministack import MiniStack
ministack = MiniStack(Path(sys.argv[1]), Path(sys.argv[2]))
ministack.start()
print(ministack.endpoint_url, flush=True)
time.sleep(600)
"""


def test_state_survives_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = [sys.executable, "-c", OWNER, str(EXECUTABLE), str(tmp_path)]
    with subprocess.Popen(owner, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        endpoint_url = process.stdout.readline().strip()
        aws = clients(endpoint_url, "us-east-1")
        fill(aws, create(TEMPLATE, aws))
        os.kill(process.pid, signal.SIGKILL)
    # The lock makes the second one wait until the first one has saved.
    with MiniStack(EXECUTABLE, tmp_path) as second:
        aws = clients(second.endpoint_url, second.region)
        assert_filled(aws, create(TEMPLATE, aws))


def test_a_preferred_port_in_use_is_given_up_for_a_free_one(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with MiniStack(EXECUTABLE, tmp_path, port=port) as running:
            assert running.endpoint_url != f"http://{HOST}:{port}"


def test_a_start_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho cannot find my feet >&2\nexit 3\n")
    broken.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(ChildFailed, match=r"(?s)ended with 3.*cannot find my feet"):
        MiniStack(broken, tmp_path / "state").start()
    assert time.monotonic() - started < 10
