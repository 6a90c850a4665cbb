"""The script that draws charts in the page: Vega, Vega-Lite and Vega-Embed in one text, made without a network."""

from functools import cache

import vl_convert

LICENCE = (
    "/*! Vega, Vega-Lite, Vega-Embed: Copyright (c) 2015-2025, University of Washington Interactive Data Lab and "
    "contributors, BSD-3-Clause. D3: Copyright 2010-2023 Mike Bostock, ISC. */\n"
)


@cache
def vega_bundle() -> str:
    """JavaScript, about 0.9 MB, that defines `window.stepauditVega = {embed}` and no other name.

    It holds no `</script` and no `<!--`, so that it may stand in a page.
    """
    text = vl_convert.javascript_bundle("window.stepauditVega = {embed: vegaEmbed};")
    return f'{LICENCE}(function () {{ "use strict";\n{_inline(text)}\n}})();\n'


def _inline(text: str) -> str:
    """In a script's strings and patterns `<\\/` is `</`, and `<\\!` is `<!`."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
