"""Reads of environments, their members and what these may do."""

from apps.environments.selectors.choices import Choice, role_choices
from apps.environments.selectors.environments import environments_among, environments_of
from apps.environments.selectors.granted import Holder
from apps.environments.selectors.holders import holder_of_key, holders_of, people_of, places_of
from apps.environments.selectors.identities import accounts_of, is_member, members_naming, person_named, titles_of
from apps.environments.selectors.rights import Rights, rights_of
from apps.environments.selectors.usage import Usage, role_usage

__all__ = [
    "Choice",
    "Holder",
    "Rights",
    "Usage",
    "accounts_of",
    "environments_among",
    "environments_of",
    "holder_of_key",
    "holders_of",
    "is_member",
    "members_naming",
    "people_of",
    "person_named",
    "places_of",
    "rights_of",
    "role_choices",
    "role_usage",
    "titles_of",
]
