"""`current_user`: the app's own user object, out of the claims where they will do."""

from __future__ import annotations

from typing import Any, Final

from werkzeug.local import LocalProxy

from ..core.errors import ConfigurationError, UnavailableError
from ..core.gate import unavailable
from ..io.consulting import consulting, plainly
from ..io.runtime import Runtime
from ..io.users import Users
from ..sessions.consult import Consult
from .current import exchange_at_hand
from .refusals import refused

#: On an exchange: its user, once found.
_USER: Final = "_session_claims_user"


def _current() -> Any:
    exchange = exchange_at_hand()
    own = exchange.__dict__
    known = own.get(_USER)
    if known is not None and known[0] is exchange.settled:
        return known[1]
    side = exchange.side
    try:
        if side.issuing is not None:
            user = side.issuing.run(side.issuing.users.current(exchange))
        else:
            run = Runtime({Consult: consulting(plainly)}).run
            user = run(Users(side.hooks).current(exchange))
    except UnavailableError as error:
        raise refused(unavailable(error), exchange.negotiated()) from error
    except RuntimeError as error:  # which a LocalProxy takes for "nobody"
        raise ConfigurationError(
            f"current_user: a function of the app raised {type(error).__name__}; nobody is known"
            " until it is mended."
        ) from error
    own[_USER] = exchange.settled, user
    return user


#: The app's user of the request at hand, as `user_loader` gives it; falsy where nobody is signed
#: in. Each request finds it once.
current_user: Any = LocalProxy(_current)
