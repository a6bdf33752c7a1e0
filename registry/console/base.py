"""What all pages of the admin panel share: staff look, services write.

Every model is read-only to Django's admin. Whatever changes something is an *operation*: a page with a form whose POST
calls one service, which checks, records and owns the transaction. So the panel can do nothing that a service forbids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from registry.accounts.principal import Principal
from registry.console.forms import ConfirmForm
from registry.errors import DomainError
from registry.http import PrincipalRequest

UNPROCESSABLE = 422


Method = TypeVar("Method", bound=Callable[..., Any])


def operation_page(*, description: str, url_path: str, icon: str) -> Callable[[Method], Method]:
    """Makes a method of `StaffAdmin` an operation: a button in the panel and an address for staff."""
    return cast(
        "Callable[[Method], Method]",
        action(description=description, url_path=url_path, icon=icon, permissions=["operate"]),
    )


def column(
    description: str, *, ordering: str | None = None, label: dict[str, str] | None = None
) -> Callable[[Method], Method]:
    """Makes a method of `StaffAdmin` a computed column or field; `label` maps values to the panel's colours."""
    return cast("Callable[[Method], Method]", display(description=description, ordering=ordering, label=label))


def _no_values(row: Any) -> dict[str, Any]:
    del row
    return {}


@dataclass(frozen=True)
class Operation:
    """One thing that staff may do.

    Attributes:
        title: the page's heading, in the imperative.
        explanation: what will happen, in a sentence.
        button: text of the button.
        done: message afterwards.
        form: what must be said.
        is_grave: takes something away.
        perform: calls the service with the row (None on a list's operation), the principal and the cleaned form.
        initial: the form's values at first, from the row.
    """

    title: str
    explanation: str
    button: str
    done: str
    perform: Callable[[Any, Principal, dict[str, Any]], Model]
    form: type[Form] = ConfirmForm
    is_grave: bool = False
    initial: Callable[[Any], dict[str, Any]] = _no_values


class _ReadOnly:
    """Refuses every write that Django's admin offers by itself."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Staff see everything."""
        del obj
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff see every section."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds rows by hand."""
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes rows by hand."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes rows by hand."""
        del request, obj
        return False


class StaffAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc] # (unfold ships no types)
    """A model as staff see it: list, search, page, and operations through services."""

    list_per_page = 50
    list_fullwidth = True
    show_full_result_count = False
    actions = None

    def operate(self, request: HttpRequest, operation: Operation, object_id: str | None = None) -> HttpResponse:
        """Shows the operation's form; on POST calls its service and returns to the row, or says what was wrong.

        Raises:
            Http404: the row is gone.
        """
        row = None if object_id is None else self._row(request, object_id)
        form = operation.form(request.POST if request.method == "POST" else None, initial=operation.initial(row))
        if request.method == "POST" and form.is_valid():
            try:
                result = operation.perform(row, cast("PrincipalRequest", request).principal, form.cleaned_data)
            except DomainError as error:
                named = error.details.get("field")
                form.add_error(named if named in form.fields else None, error.message)
            else:
                messages.success(request, operation.done.format(result))
                return HttpResponseRedirect(self._address(row if row is not None else result))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": operation.title,
            "operation": operation,
            "form": form,
            "original": row,
            "back": self._address(row) if row is not None else reverse(self._route("changelist")),
        }
        status = UNPROCESSABLE if request.method == "POST" else 200
        return TemplateResponse(request, "console/operation.html", context, status=status)

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Staff may start operations; the service decides."""
        del object_id
        return self.has_view_permission(request)

    def _row(self, request: HttpRequest, object_id: str) -> Model:
        row: Model | None = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def _address(self, row: Model) -> str:
        """The row's own page if it is of this model, else the list."""
        if isinstance(row, self.model):
            return reverse(self._route("change"), args=[quote(row.pk)])
        return reverse(self._route("changelist"))

    def _route(self, name: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"


class StaffTabular(_ReadOnly, TabularInline):  # type: ignore[misc] # (unfold ships no types)
    """Related rows as a table, read-only."""

    extra = 0
    can_delete = False
    show_change_link = True
    hide_title = True
