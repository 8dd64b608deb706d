"""Django's configuration of `builds`: registers builds of images with the loop."""

from django.apps import AppConfig


class BuildsConfig(AppConfig):
    """Builds of images."""

    name = "apps.builds"
    label = "builds"

    def ready(self) -> None:
        """Register the reconciler."""
        from apps.builds.models import ImageBuild
        from apps.builds.reconcile import BUILD_DEADLINE, reconcile_build
        from apps.control.kinds import register

        register(ImageBuild, reconcile_build, deadline=BUILD_DEADLINE)
