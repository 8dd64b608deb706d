"""The fields of the types that say how people log in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from apps.accounts.spec import ActiveDirectory, Directory
from apps.api.wire.fields import Field, table

_ALL = """
    name              string          r
    enabled           boolean         cu
    accessMode        enum            cu =unrestricted :restricted|unrestricted|required ~
    allowedIdentities array[identity] cu
    state             string          r
    trialUntil        date            r
    answeredAt        date            r
    trouble           string          r
    login             string          cu
    password          password        cu !
"""

GITHUB = f"""
    clientId     string cu 1..255
    clientSecret string cu ! 1..255
    hostname     string cu 0..255
    scheme       string cu 0..16
    {_ALL}
"""

DIRECTORY = f"""
    server                      string cu * ~ 1..1024
    port                        int    cu 1..65535
    tls                         boolean cu
    startTls                    boolean cu
    caCertificate               string cu 0..65536
    domain                      string cu * ~ 1..1024
    loginDomain                 string cu 0..1024
    serviceAccountUsername      string cu * ~ 1..1024
    serviceAccountPassword      string cu ! 1..1024
    connectionTimeout           int    cu 100..60000 =1000 ~
    userSearchField             string cu 1..128 ~
    userLoginField              string cu 1..128 ~
    userObjectClass             string cu 1..128 ~
    userNameField               string cu 1..128 ~
    userEnabledAttribute        string cu 0..128
    userDisabledBitMask         int    cu 0..2147483647
    userMemberAttribute         string cu 1..128
    groupSearchField            string cu 1..128 ~
    groupObjectClass            string cu 1..128 ~
    groupNameField              string cu 1..128 ~
    groupMemberMappingAttribute string cu 1..128
    {_ALL}
"""

LDAP_DEFAULTS = ActiveDirectory().to_wire()
OPENLDAP_DEFAULTS = Directory().to_wire()
_PLAIN = ("user", "group")


def directory_fields(defaults: Mapping[str, object]) -> tuple[Field, ...]:
    """A directory's fields, with the defaults of its kind for the names of attributes and classes."""
    return tuple(
        replace(field, default=defaults[field.name] or None) if field.name.startswith(_PLAIN) else field
        for field in table(DIRECTORY)
    )
