"""The look of every page that the workflow writes: one that stands alone, without network, on any screen.

It must not know what a page says.
"""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
code { background: #f3f3f3; padding: 0 0.2em; border-radius: 3px; }
h2 { margin-top: 2.2rem; border-top: 2px solid #1a1a1a; padding-top: 0.6rem; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole page: `body` is HTML, `style` CSS beside the common one."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{STYLE}{style}</style>
</head>
<body>
{body}</body>
</html>
"""
