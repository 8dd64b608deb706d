"""The URLs of the console; pages of an environment are below `env/<id>/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import IntConverter

from apps.console import command_palette
from apps.console.account import sessions, two_factor
from apps.console.activity import audit_log, operations
from apps.console.administration import (
    accounts,
    login_providers,
    open_mode,
    roles,
    settings,
)
from apps.console.containers import containers, logs, pulls
from apps.console.environments import (
    environments,
    host_policy,
    members,
    permission_report,
)
from apps.console.hosts import (
    host_images,
    host_registration,
    host_timeline,
    hosts,
    metrics_history,
)
from apps.console.keys import api_keys
from apps.console.login import (
    login_pages,
    login_totp,
    reauthentication,
    redirect_login,
    setup,
)
from apps.console.overview import overview
from apps.console.stacks import kind_forms, service_form, service_upgrade, services, stacks, what_if

app_name = "console"


class KeyConverter(IntConverter):
    """A primary key; at most 18 digits, which every database can hold."""

    regex = "[0-9]{1,18}"


register_converter(KeyConverter, "key")

_in_environment: list[URLPattern | URLResolver] = [
    path("find", command_palette.search, name="find"),
    path("stacks", stacks.index, name="stacks"),
    path("stacks/new", stacks.new, name="stack-new"),
    path("stacks/check", stacks.check, name="stack-check"),
    path("stacks/<key:pk>", stacks.detail, name="stack"),
    path("stacks/<key:pk>/compose", stacks.compose, name="stack-compose"),
    path("stacks/<key:pk>/logs", logs.stack, name="stack-logs"),
    path("stacks/<key:pk>/activity", stacks.activity, name="stack-activity"),
    path("stacks/<key:pk>/edit", stacks.edit, name="stack-edit"),
    path("stacks/<key:pk>/remove", stacks.remove, name="stack-remove"),
    path("stacks/<key:pk>/all/<slug:action>", stacks.services_all, name="stack-all"),
    path("stacks/<key:stack>/services/new", service_form.service_new, name="service-new"),
    path("stacks/<key:stack>/external-services/new", kind_forms.external_new, name="external-service-new"),
    path("stacks/<key:stack>/aliases/new", kind_forms.alias_new, name="service-alias-new"),
    path("services/<key:pk>/target", kind_forms.target, name="service-target"),
    path("services/preview", service_form.preview, name="service-preview"),
    path("services/<key:pk>", services.detail, name="service"),
    path("services/<key:pk>/logs", logs.service, name="service-logs"),
    path("services/<key:pk>/activity", services.activity, name="service-activity"),
    path("services/<key:pk>/what-if", what_if.service, name="service-what-if"),
    path("services/<key:pk>/edit", services.edit, name="service-edit"),
    path("services/<key:pk>/scale", services.scale, name="service-scale"),
    path("services/<key:pk>/clone", service_form.service_clone, name="service-clone"),
    path("services/<key:pk>/upgrade", service_upgrade.upgrade, name="service-upgrade"),
    path("services/<key:pk>/remove", services.remove, name="service-remove"),
    path("services/<key:pk>/do/<slug:action>", services.do, name="service-do"),
    path("containers", containers.index, name="containers"),
    path("containers/new", service_form.container_new, name="container-new"),
    path("pulls/retry", pulls.retry, name="pulls-retry"),
    path("containers/bulk", containers.bulk, name="containers-bulk"),
    path("containers/<key:pk>", containers.detail, name="container"),
    path("containers/<key:pk>/logs", logs.container, name="container-logs"),
    path("containers/<key:pk>/logs/lines", logs.lines, name="container-log-lines"),
    path("containers/<key:pk>/logs/file", logs.download, name="container-log-file"),
    path("containers/<key:pk>/shell", containers.shell, name="container-shell"),
    path("containers/<key:pk>/menu", containers.menu, name="container-menu"),
    path("containers/<key:pk>/edit", containers.edit, name="container-edit"),
    path("containers/<key:pk>/remove", containers.remove, name="container-remove"),
    path("containers/<key:pk>/do/<slug:action>", containers.do, name="container-do"),
    path("hosts", hosts.index, name="hosts"),
    path("hosts/new", host_registration.add, name="host-add"),
    path("hosts/new/token/<slug:action>", host_registration.token_action, name="token-do"),
    path("hosts/new/address", hosts.new, name="host-new"),
    path("hosts/<key:pk>", hosts.detail, name="host"),
    path("hosts/<key:pk>/timeline", host_timeline.timeline, name="host-timeline"),
    path("hosts/<key:pk>/what-if", what_if.host, name="host-what-if"),
    path("hosts/<key:pk>/images", host_images.index, name="host-images"),
    path("hosts/<key:pk>/images/copy", host_images.copy, name="host-images-copy"),
    path("hosts/<key:pk>/images/remove", host_images.remove, name="host-images-remove"),
    path("hosts/<key:pk>/edit", hosts.edit, name="host-edit"),
    path("hosts/<key:pk>/history", metrics_history.host_history, name="host-history"),
    path("containers/<key:pk>/history", metrics_history.container_history, name="container-history"),
    path("hosts/<key:pk>/evacuate", hosts.evacuate, name="host-evacuate"),
    path("hosts/<key:pk>/remove", hosts.remove, name="host-remove"),
    path("hosts/<key:pk>/do/<slug:action>", hosts.do, name="host-do"),
    path("activity", operations.index, name="activity"),
    path("activity/<key:pk>", operations.detail, name="operation"),
    path("activity/<key:pk>/cancel", operations.cancel, name="operation-cancel"),
    path("activity/<key:pk>/retry", operations.retry, name="operation-retry"),
    path("policy", host_policy.index, name="policy"),
    path("policy/reset", host_policy.reset, name="policy-reset"),
    path("audit", audit_log.index, name="audit"),
    path("audit/check", audit_log.check, name="audit-check"),
    path("audit/<key:pk>", audit_log.entry, name="audit-line"),
    path("keys", api_keys.environment_keys, name="keys"),
    path("keys/new", api_keys.environment_key_new, name="key-new"),
    path("keys/<key:pk>/why", permission_report.environment_key, name="environment-key-why"),
    path("keys/<key:pk>/edit", api_keys.environment_key_edit, name="environment-key-edit"),
    path("keys/<key:pk>/remove", api_keys.environment_key_remove, name="environment-key-remove"),
    path("keys/<key:pk>/do/<slug:action>", api_keys.environment_key_do, name="environment-key-do"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.index, name="home"),
    path("setup", setup.setup_pending, name="setup"),
    path("setup/<str:token>", setup.first_admin, name="setup-link"),
    path("login", login_pages.log_in, name="login"),
    path("login/code", login_totp.enter_code, name="login-code"),
    path("login/enrol", login_totp.enrol_page, name="login-enrol"),
    *redirect_login.routes(),
    path("logout", login_pages.log_out, name="logout"),
    path("theme", login_pages.theme, name="theme"),
    path("account/password", login_pages.password, name="password"),
    path("confirm", reauthentication.confirm, name="confirm"),
    path("account/factor", two_factor.overview, name="factor"),
    path("account/factor/new", two_factor.new, name="factor-new"),
    path("account/factor/codes", two_factor.codes, name="factor-codes"),
    path("account/factor/off", two_factor.disable, name="factor-off"),
    path("account/sessions", sessions.own, name="sessions"),
    path("account/sessions/end", sessions.end_others, name="sessions-end"),
    path("account/sessions/<key:pk>/end", sessions.end, name="session-end"),
    path("account/keys", api_keys.account_keys, name="account-keys"),
    path("account/keys/new", api_keys.account_key_new, name="account-key-new"),
    path("account/access", permission_report.own, name="why"),
    path("account/keys/<key:pk>/why", permission_report.account_key, name="key-why"),
    path("account/keys/<key:pk>/edit", api_keys.account_key_edit, name="key-edit"),
    path("account/keys/<key:pk>/remove", api_keys.account_key_remove, name="key-remove"),
    path("account/keys/<key:pk>/do/<slug:action>", api_keys.account_key_do, name="key-do"),
    path("environments", environments.index, name="environments"),
    path("environments/new", environments.new, name="environment-new"),
    path("environments/<key:pk>", environments.detail, name="environment"),
    path("environments/<key:pk>/access", permission_report.environment, name="environment-why"),
    path("environments/<key:pk>/edit", environments.edit, name="environment-edit"),
    path("environments/<key:pk>/remove", environments.remove, name="environment-remove"),
    path("environments/<key:pk>/do/<slug:action>", environments.do, name="environment-do"),
    path("environments/<key:pk>/members/search", members.search, name="member-search"),
    path("environments/<key:pk>/members", members.add, name="member-add"),
    path("environments/<key:pk>/members/<key:account>", members.role, name="member-role"),
    path("environments/<key:pk>/members/<key:account>/remove", members.remove, name="member-remove"),
    path("admin/accounts", accounts.index, name="accounts"),
    path("admin/accounts/new", accounts.new, name="account-new"),
    path("admin/accounts/<key:pk>/edit", accounts.edit, name="account-edit"),
    path("admin/accounts/<key:pk>/factor", two_factor.reset, name="account-factor"),
    path("admin/accounts/<key:pk>/remove", accounts.remove, name="account-remove"),
    path("admin/accounts/<key:pk>/do/<slug:action>", accounts.do, name="account-do"),
    path("admin/sessions", sessions.sessions_all, name="sessions-all"),
    path("admin/sessions/<key:pk>/end", sessions.end_any, name="session-end-any"),
    path("admin/open-mode", open_mode.index, name="open-mode"),
    path("admin/open-mode/close", open_mode.disable, name="open-mode-close"),
    path("admin/accounts/<key:pk>/access", permission_report.account, name="account-why"),
    path("admin/roles", roles.index, name="roles"),
    path("admin/roles/new", roles.new, name="role-new"),
    path("admin/roles/<key:pk>/edit", roles.edit, name="role-edit"),
    path("admin/roles/<key:pk>/remove", roles.remove, name="role-remove"),
    path("admin/access", login_providers.index, name="access"),
    path("admin/access/local", login_providers.local_accounts, name="access-local"),
    path("admin/access/identities", login_providers.search_identities, name="access-identities"),
    path("admin/access/<slug:kind>", login_providers.provider, name="access-provider"),
    path("admin/access/<slug:kind>/test", login_providers.try_provider, name="access-test"),
    path("admin/access/<slug:kind>/do/<slug:action>", login_providers.provider_action, name="access-switch"),
    path("admin/access/<slug:kind>/status", login_providers.status_fragment, name="access-status"),
    path("admin/settings", settings.index, name="settings"),
    path("admin/settings/<slug:section>", settings.save, name="settings-save"),
    path("admin/audit", audit_log.everywhere, name="audit-everywhere"),
    path("admin/audit/check", audit_log.check_anywhere, name="audit-check-anywhere"),
    path("admin/audit/<key:pk>", audit_log.entry_anywhere, name="audit-line-anywhere"),
    path("admin/processes", operations.processes, name="processes"),
    path("env/<key:environment>/", include(_in_environment)),
]
