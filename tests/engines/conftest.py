"""Buckets on the real S3 server."""

from uuid import uuid4

import boto3
import pytest

from tests.conftest import S3Server


def make_bucket(server: S3Server) -> str:
    """An empty bucket with a name of its own."""
    name = f"test-{uuid4().hex}"
    boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
    ).create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """An empty bucket of this test's own."""
    return make_bucket(s3_server)
