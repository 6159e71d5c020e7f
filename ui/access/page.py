"""Page: the sign-in form, plain HTML without script, in the look of the rest (ui/assets/sign-in.css)."""

from html import escape

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
ASSETS = ("/assets/meltwin.css", "/assets/sign-in.css", "/assets/mark.svg")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in – Meltwin</title>
<link rel="icon" type="image/svg+xml" href="/assets/mark.svg">
<link rel="stylesheet" href="/assets/meltwin.css">
<link rel="stylesheet" href="/assets/sign-in.css">
</head>
<body class="sign-in">
<main>
<div class="brand"><span class="mark" aria-hidden="true"></span><h1>Meltwin</h1></div>
<form method="post" action="/sign-in" aria-labelledby="title">
<h2 id="title">Sign in</h2>
{error}
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none" spellcheck="false"
 maxlength="64" required{focus_name}{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required{focus_password}{described}>
<input type="hidden" name="to" value="{to}">
<button type="submit">Sign in</button>
</form>
<p class="hint">Forgotten? On the server:<br><code>./meltwin account password NAME</code></p>
</main>
</body>
</html>
"""

AGAIN = '<!DOCTYPE html><html lang="en"><title>Meltwin</title><meta http-equiv="refresh" content="0"></html>'


def sign_in_page(*, to: str = "/", name: str = "", error: str = "") -> str:
    """The whole document. An error is read out, and the field that is to be typed again has the focus."""
    alert = '<p id="error" class="error" role="alert"><span class="glyph cross" aria-hidden="true"></span>{}</p>'
    return _PAGE.format(
        error=alert.format(escape(error)) if error else "",
        name=escape(name),
        to=escape(to),
        focus_name="" if name else " autofocus",
        focus_password=" autofocus" if name else "",
        described=' aria-describedby="error"' if error else "",
    )


def local_path(to: str) -> str:
    """Where to go after signing in: a path of this server; anything else is the first page."""
    plain = to.startswith("/") and not to.startswith(("//", "/\\", "/sign-"))
    return to if plain and len(to) <= 1000 and to.isprintable() and to.isascii() and "\\" not in to else "/"
