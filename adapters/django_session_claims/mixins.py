"""Gates for class-based views, sync and async.

They guard the function that `as_view` makes, so that neither `setup` nor an own `dispatch` runs
for who may not come in; being views themselves, they work on either side of the other base.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils.decorators import classonlymethod
from django.views.generic.base import View

from flask_session_claims.core.errors import ConfigurationError

from .gates import Gate, guard, login_required


class LoginRequiredMixin(View):
    """Somebody must be signed in: `class Profile(LoginRequiredMixin, TemplateView)`."""

    #: What is asked; another login_required(…) may stand here.
    gate: ClassVar[Gate | None] = login_required

    @classonlymethod
    def as_view(cls, *actions: Any, **initkwargs: Any) -> Callable[..., Any]:  # noqa: N805
        """The view function, guarded; `actions` are for bases that take them (view sets)."""
        if cls.gate is None:
            raise ConfigurationError(
                f'{cls.__name__} names no gate; write gate = claims_required(role="admin").'
            )
        return guard(super().as_view(*actions, **initkwargs), cls.gate.requirement)


class ClaimsRequiredMixin(LoginRequiredMixin):
    """Somebody must be signed in and have what the `gate` of the class names.

    ```python
    class Reports(ClaimsRequiredMixin, ListView):
        gate = claims_required(role="admin")
    ```
    """

    gate: ClassVar[Gate | None] = None
