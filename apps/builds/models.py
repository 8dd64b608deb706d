"""Builds of images, and what they said."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.builds.lifecycle import IMAGE_BUILD
from apps.core.encrypted import EncryptedJSONField, EncryptedTextField
from apps.environments.models import TenantRow
from apps.hosts.models import Host

CONTEXT, GIT = "context", "git"


class ImageBuild(TenantRow):
    """One build of an image on one host; `image` is the name that it gets, `source` where its context comes from.

    A `context` is a file that is sent, of `context_size` bytes once it is there; `git` is fetched from `url`, of which
    `branch` (or a commit) is taken and `folder` is the context. `arguments` are the values of ARG instructions;
    `secret` is a password, token or private key for the repository, forgotten when the build has ended. Observed:
    `image_id`, `commit` and `ended`; `status` holds how many `attempts` there were and how long the log is.
    """

    KIND = "imageBuild"
    LIFECYCLE = IMAGE_BUILD

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    image = models.CharField(max_length=512)
    source = models.CharField(max_length=16)
    url = models.CharField(max_length=1024, blank=True)
    branch = models.CharField(max_length=200, blank=True)
    folder = models.CharField(max_length=512, blank=True)
    username = models.CharField(max_length=255, blank=True)
    secret = EncryptedTextField(blank=True)
    dockerfile = models.CharField(max_length=512)
    target = models.CharField(max_length=128, blank=True)
    arguments = EncryptedJSONField(default=dict)
    no_cache = models.BooleanField(default=False)
    pull = models.BooleanField(default=False)
    context_size = models.PositiveBigIntegerField(null=True)

    image_id = models.CharField(max_length=128, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.image

    def refusal(self, action: str) -> str:
        """A context is sent once, and to builds that do not fetch theirs."""
        if action == "sendcontext" and self.source != CONTEXT:
            return "Not possible: the context of this build comes from a git repository."
        if action == "sendcontext" and self.context_size is not None:
            return "Not possible: this build has its context already."
        return ""


class BuildLogPart(models.Model):
    """A piece of what a build said, in the order of its keys."""

    build = models.ForeignKey(ImageBuild, on_delete=models.CASCADE, related_name="log_parts")
    text = models.TextField()

    all_objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        ordering = ("id",)
