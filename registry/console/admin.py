"""Puts the panel together: our pages in, the frameworks' own pages out, sign-in with the second factor."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group

from registry.console import agreements, licenses, people, records, work

__all__ = ["agreements", "licenses", "people", "records", "work"]

admin.site.index_title = "Operations"
admin.site.index_template = "console/index.html"

# These would write rows past our services; groups mean nothing here.
for _model in (EmailAddress, Authenticator, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)

# The panel's own sign-in page would ask for no second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
