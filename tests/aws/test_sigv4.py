"""Our signatures against AWS's published ones (Signature Version 4 test suite, IAM user guide) and against botocore."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from aiodynamo.credentials import Key
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from multiconnection.aws.sigv4 import Signer

KEY = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WHEN = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
URL = "https://example.amazonaws.com"
FORM = {"content-type": "application/x-www-form-urlencoded"}
PUBLISHED = {
    "get-vanilla": ("GET", f"{URL}/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": (
        "GET",
        f"{URL}/?Param2=value2&Param1=value1",
        {},
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-vanilla": ("POST", f"{URL}/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-x-www-form-urlencoded": (
        "POST",
        f"{URL}/",
        FORM,
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_signatures_come_out(name: str) -> None:
    method, url, headers, body, signature = PUBLISHED[name]
    signed = Signer("service", "us-east-1").headers(KEY, method, url, headers, body, WHEN)
    assert signed["authorization"].rpartition("Signature=")[2] == signature
    assert "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request" in signed["authorization"]


def test_the_example_of_the_iam_guide_comes_out() -> None:
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    signed = Signer("iam", "us-east-1").headers(KEY, "GET", url, headers, b"", WHEN)
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
    )


@pytest.mark.parametrize("token", [None, "session-token=="])
@pytest.mark.parametrize("url", ["https://secretsmanager.eu-west-1.amazonaws.com/", "http://127.0.0.1:4566/"])
def test_botocore_signs_the_same(token: str | None, url: str) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
    body = b'{"SecretId":"arn"}'
    signer, now = Signer("secretsmanager", "eu-west-1"), datetime.now(UTC)
    ours = signer.headers(Key(KEY.id, KEY.secret, token), "POST", url, headers, body, now)
    request = AWSRequest("POST", url, headers={**headers, "host": urlsplit(url).netloc}, data=body)
    request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    theirs = SigV4Auth(Credentials(KEY.id, KEY.secret, token), "secretsmanager", "eu-west-1")
    signature = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
    assert ours["authorization"].rpartition("Signature=")[2] == signature


def test_secrets_are_not_shown() -> None:
    assert KEY.secret not in repr(Key(KEY.id, KEY.secret, "token"))
    assert "token" not in repr(Key(KEY.id, KEY.secret, "token"))
