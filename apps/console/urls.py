"""The addresses of the console; each one says which environment it is about."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import IntConverter

from apps.console import (
    access,
    accounts,
    activity,
    containers,
    environments,
    finder,
    github,
    hosts,
    keys,
    making,
    policy,
    services,
    session,
    sessions,
    setup,
    stacks,
)

app_name = "console"


class KeyConverter(IntConverter):
    """A row's number: no longer than databases take."""

    regex = "[0-9]{1,18}"


register_converter(KeyConverter, "key")

_in_environment: list[URLPattern | URLResolver] = [
    path("find", finder.find, name="find"),
    path("stacks", stacks.index, name="stacks"),
    path("stacks/new", stacks.new, name="stack-new"),
    path("stacks/check", stacks.check, name="stack-check"),
    path("stacks/<key:pk>", stacks.detail, name="stack"),
    path("stacks/<key:pk>/compose", stacks.compose, name="stack-compose"),
    path("stacks/<key:pk>/activity", stacks.activity, name="stack-activity"),
    path("stacks/<key:pk>/edit", stacks.edit, name="stack-edit"),
    path("stacks/<key:pk>/remove", stacks.remove, name="stack-remove"),
    path("stacks/<key:pk>/all/<slug:action>", stacks.services_all, name="stack-all"),
    path("stacks/<key:stack>/services/new", making.service_new, name="service-new"),
    path("services/preview", making.preview, name="service-preview"),
    path("services/<key:pk>", services.detail, name="service"),
    path("services/<key:pk>/activity", services.activity, name="service-activity"),
    path("services/<key:pk>/edit", services.edit, name="service-edit"),
    path("services/<key:pk>/scale", services.scale, name="service-scale"),
    path("services/<key:pk>/clone", making.service_clone, name="service-clone"),
    path("services/<key:pk>/remove", services.remove, name="service-remove"),
    path("services/<key:pk>/do/<slug:action>", services.do, name="service-do"),
    path("containers", containers.index, name="containers"),
    path("containers/new", making.container_new, name="container-new"),
    path("containers/bulk", containers.bulk, name="containers-bulk"),
    path("containers/<key:pk>", containers.detail, name="container"),
    path("containers/<key:pk>/logs", containers.logs, name="container-logs"),
    path("containers/<key:pk>/shell", containers.shell, name="container-shell"),
    path("containers/<key:pk>/menu", containers.menu, name="container-menu"),
    path("containers/<key:pk>/edit", containers.edit, name="container-edit"),
    path("containers/<key:pk>/remove", containers.remove, name="container-remove"),
    path("containers/<key:pk>/do/<slug:action>", containers.do, name="container-do"),
    path("hosts", hosts.index, name="hosts"),
    path("hosts/new", hosts.new, name="host-new"),
    path("hosts/<key:pk>", hosts.detail, name="host"),
    path("hosts/<key:pk>/edit", hosts.edit, name="host-edit"),
    path("hosts/<key:pk>/remove", hosts.remove, name="host-remove"),
    path("hosts/<key:pk>/do/<slug:action>", hosts.do, name="host-do"),
    path("activity", activity.index, name="activity"),
    path("activity/<key:pk>", activity.detail, name="operation"),
    path("activity/<key:pk>/retry", activity.retry, name="operation-retry"),
    path("policy", policy.index, name="policy"),
    path("policy/reset", policy.reset, name="policy-reset"),
    path("audit", activity.audit, name="audit"),
    path("keys", keys.environment_keys, name="keys"),
    path("keys/new", keys.environment_key_new, name="key-new"),
    path("keys/<key:pk>/remove", keys.environment_key_remove, name="environment-key-remove"),
    path("keys/<key:pk>/do/<slug:action>", keys.environment_key_do, name="environment-key-do"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", session.home, name="home"),
    path("setup", setup.waiting, name="setup"),
    path("setup/<str:token>", setup.first_admin, name="setup-link"),
    path("login", session.log_in, name="login"),
    path("login/github", github.begin, name="github"),
    path("login/github/return", github.complete, name="github-return"),
    path("logout", session.log_out, name="logout"),
    path("theme", session.theme, name="theme"),
    path("account/password", session.password, name="password"),
    path("account/sessions", sessions.own, name="sessions"),
    path("account/sessions/end", sessions.end_others, name="sessions-end"),
    path("account/sessions/<key:pk>/end", sessions.end, name="session-end"),
    path("account/keys", keys.account_keys, name="account-keys"),
    path("account/keys/new", keys.account_key_new, name="account-key-new"),
    path("account/keys/<key:pk>/remove", keys.account_key_remove, name="key-remove"),
    path("account/keys/<key:pk>/do/<slug:action>", keys.account_key_do, name="key-do"),
    path("environments", environments.index, name="environments"),
    path("environments/new", environments.new, name="environment-new"),
    path("environments/<key:pk>", environments.detail, name="environment"),
    path("environments/<key:pk>/edit", environments.edit, name="environment-edit"),
    path("environments/<key:pk>/remove", environments.remove, name="environment-remove"),
    path("environments/<key:pk>/do/<slug:action>", environments.do, name="environment-do"),
    path("environments/<key:pk>/members", environments.member_add, name="member-add"),
    path("environments/<key:pk>/members/<key:account>", environments.member_role, name="member-role"),
    path("environments/<key:pk>/members/<key:account>/remove", environments.member_remove, name="member-remove"),
    path("admin/accounts", accounts.index, name="accounts"),
    path("admin/accounts/new", accounts.new, name="account-new"),
    path("admin/accounts/<key:pk>/edit", accounts.edit, name="account-edit"),
    path("admin/accounts/<key:pk>/remove", accounts.remove, name="account-remove"),
    path("admin/accounts/<key:pk>/do/<slug:action>", accounts.do, name="account-do"),
    path("admin/sessions", sessions.everybody, name="sessions-all"),
    path("admin/sessions/<key:pk>/end", sessions.end_any, name="session-end-any"),
    path("admin/access", access.index, name="access"),
    path("admin/access/<slug:kind>", access.provider, name="access-provider"),
    path("admin/access/<slug:kind>/test", access.test, name="access-test"),
    path("admin/access/<slug:kind>/do/<slug:action>", access.switch, name="access-switch"),
    path("admin/settings", accounts.settings, name="settings"),
    path("admin/settings/<str:name>", accounts.setting_save, name="setting-save"),
    path("admin/audit", activity.audit_everywhere, name="audit-everywhere"),
    path("admin/processes", activity.processes, name="processes"),
    path("env/<key:environment>/", include(_in_environment)),
]
