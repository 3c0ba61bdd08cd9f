"""One click from a public name to its source, and back: an extension of Sphinx, before viewcode's.

A name is documented under the package that it is imported from, and defined in some module below.
viewcode assumes one of the first for each of the second. So it is shown the defining module, and
the name gets an anchor that tells of it too.
"""

from sphinx import addnodes

from docs.site import api


def defined(_app, doctree):
    """Say where each name of a page is defined."""
    modules = {one.target: one.value.__module__ for one in api.names() if callable(one.value)}
    for signature in doctree.findall(addnodes.desc_signature):
        whole = f"{signature['module']}.{signature['fullname'].partition('.')[0]}"
        if whole in modules:
            signature["module"] = modules[whole]
            anchor = f"{signature['module']}.{signature['fullname']}"
            if anchor not in signature["ids"]:
                signature["ids"].append(anchor)


def setup(app):
    """Make it known to Sphinx."""
    app.connect("doctree-read", defined, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
