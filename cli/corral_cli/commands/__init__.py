"""The commands by name: where each is, and what it does in a few words. Nothing of them is imported here."""

from __future__ import annotations

from typing import NamedTuple

_SEE, _CHANGE, _ACCESS, _TOOLS = "look", "change", "access", "tools"


class CommandEntry(NamedTuple):
    """Where a command is found."""

    module: str
    summary: str
    group: str


COMMANDS = {
    "login": CommandEntry("portals", "store a portal and a key of it", _ACCESS),
    "logout": CommandEntry("portals", "forget a portal and its key", _ACCESS),
    "contexts": CommandEntry("portals", "list the stored portals, or use another one", _ACCESS),
    "env": CommandEntry("environments", "list the environments, choose or create one", _ACCESS),
    "members": CommandEntry("environments", "list who is a member of the environment", _ACCESS),
    "keys": CommandEntry("keys", "list, create, deactivate and remove API keys", _ACCESS),
    "trust": CommandEntry("trust", "list, create and remove rules by which CI jobs log in", _ACCESS),
    "hosts": CommandEntry("listing", "list the hosts", _SEE),
    "volumes": CommandEntry("volumes", "list, create, remove and clean up volumes, and show their files", _SEE),
    "stacks": CommandEntry("listing", "list the stacks", _SEE),
    "services": CommandEntry("listing", "list the services, of one stack or of all", _SEE),
    "ps": CommandEntry("listing", "list what runs: services, or containers with -c", _SEE),
    "images": CommandEntry("images", "list the images of hosts, or remove those that nothing needs", _SEE),
    "inspect": CommandEntry("inspect", "show everything the API says of something", _SEE),
    "logs": CommandEntry("streams", "show or follow logs of containers, services and stacks", _SEE),
    "exec": CommandEntry("streams", "run a command in a container and end with its exit code", _SEE),
    "port-forward": CommandEntry("port_forward", "have a port here lead to a port inside a container", _SEE),
    "stats": CommandEntry("usage", "show the CPU, memory and network use of containers", _SEE),
    "top": CommandEntry("usage", "show the containers that use the most", _SEE),
    "events": CommandEntry("events", "follow what changes", _SEE),
    "revisions": CommandEntry("history", "list the revisions of a stack or service", _SEE),
    "diff": CommandEntry("history", "show what the compose files would change, without changing it", _SEE),
    "what-if": CommandEntry("scheduling", "show where containers would go", _SEE),
    "where": CommandEntry("deployments", "show which version runs in which environment", _SEE),
    "check-hosts": CommandEntry("check_hosts", "check whether the hosts reach each other", _SEE),
    "updates": CommandEntry("updates", "list newer images, look again, or upgrade services to them", _SEE),
    "audit": CommandEntry("audit", "list audit entries, or verify that none was changed", _SEE),
    "up": CommandEntry("stacks", "create or upgrade a stack from its compose files, and start it", _CHANGE),
    "catalog": CommandEntry("catalog", "list and show templates, launch stacks of them and upgrade these", _CHANGE),
    "catalogs": CommandEntry("catalogs", "list, add, refresh and remove the repositories of templates", _CHANGE),
    "adopt": CommandEntry("adoption", "make a stack of what runs on a host already, as it is", _CHANGE),
    "import": CommandEntry("rancher_import", "import environments and stacks of a Rancher 1.x server", _CHANGE),
    "give-back": CommandEntry("adoption", "let go of an adopted stack; its containers run on", _CHANGE),
    "pull": CommandEntry("stacks", "pull the images of compose files to all hosts", _CHANGE),
    "promote": CommandEntry("deployments", "deploy a stack's revision in another environment", _CHANGE),
    "promotions": CommandEntry("deployments", "list, approve, refuse and undo promotions", _CHANGE),
    "webhooks": CommandEntry("webhooks", "list, create and remove deploy webhooks, and call one", _CHANGE),
    "build": CommandEntry("build", "build an image on a host, from a folder or a git repository", _CHANGE),
    "image": CommandEntry("images", "copy, name, remove, export or import an image, show its history", _CHANGE),
    "rollback": CommandEntry("history", "take back an upgrade, or go back to a revision", _CHANGE),
    "start": CommandEntry("actions", "start services, containers or stacks", _CHANGE),
    "stop": CommandEntry("actions", "stop services, containers or stacks", _CHANGE),
    "restart": CommandEntry("actions", "restart services batch by batch, or containers", _CHANGE),
    "scale": CommandEntry("actions", "set how many containers a service has", _CHANGE),
    "rm": CommandEntry("actions", "remove services, containers, stacks or hosts", _CHANGE),
    "wait": CommandEntry("actions", "wait until something has settled, or is healthy", _CHANGE),
    "export": CommandEntry("stacks", "write the compose files of a stack", _CHANGE),
    "completion": CommandEntry("completion", "print the completion script for bash, zsh or fish", _TOOLS),
}
"""In the order of the help."""
