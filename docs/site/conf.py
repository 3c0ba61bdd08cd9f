"""Settings of Sphinx for the site; see `docs/site/__init__.py`."""

from pathlib import Path

import kerasllm

HERE = Path(__file__).resolve().parent

project = "kerasllm"
version = release = kerasllm.__version__
author, project_copyright = "the kerasllm authors", "%Y, the kerasllm authors, Apache-2.0"
language = "en"
extensions = ["myst_nb", "sphinx.ext.viewcode", "docs.site.formulas",
              "docs.site.languages", "docs.site.source_links"]  # fmt: skip
exclude_patterns = ["**/originals/*"]
nitpicky = True

# Text
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the notebooks are committed as they ran
nb_render_markdown_format = "myst"
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
html_math_renderer = "mathml"
add_function_parentheses = False
add_module_names = False
python_maximum_signature_line_length = 88
highlight_language = "text"

# Look
html_theme = "furo"
html_title = "kerasllm"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
templates_path = [str(HERE / "templates")]
html_sidebars = {
    "**": [
        "sidebar/brand.html", "sidebar/languages.html", "sidebar/search.html",
        "sidebar/scroll-start.html", "sidebar/navigation.html", "sidebar/scroll-end.html",
    ]
}  # fmt: skip
html_show_sphinx = False
html_show_search_summary = False  # it would have to fetch pages, which a browser forbids to files
html_copy_source = True
pygments_style, pygments_dark_style = "friendly", "monokai"
